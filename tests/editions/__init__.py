"""What leaves the book: notebooks that run alone, the archive, the published site."""
