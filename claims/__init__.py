"""The theories on trial. Each theory has a folder."""
