"""What makes the site and the editions from the chapters."""
