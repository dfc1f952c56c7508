"""Text with labelled spans, and its tokens: their ids, categories, roles, and the alignment of two prompts."""
