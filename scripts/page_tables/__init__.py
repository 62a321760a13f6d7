"""Rows of the pages' tables, a module for the pages of each kind of result."""
