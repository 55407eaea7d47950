"""The one error of starting: something outside the program must be changed first."""


class Refused(Exception):
    """Starting is impossible as things stand. Carries one line in Chinese and one in English for a person."""

    def __init__(self, zh: str, en: str) -> None:
        super().__init__(f"{zh} / {en}")
        self.zh = zh
        self.en = en
