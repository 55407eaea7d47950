"""个人信息 personal: which values are personal, how they are masked, and who saw them for what purpose."""
