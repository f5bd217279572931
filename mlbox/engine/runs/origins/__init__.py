"""Where code comes from, one file a kind: ``matches`` says whether a text is of it, ``fetch`` brings the files."""
