"""Wangjian 网鉴: the command line."""
