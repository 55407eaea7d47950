"""Product pictures, drawn by us as SVG from a seed: no photograph, no font and no outside asset is used."""
