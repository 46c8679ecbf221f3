"""Crawling of competitors' menus and extraction of their offers."""
