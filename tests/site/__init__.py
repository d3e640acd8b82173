"""The built site, as a reader with a browser has it; the scripts of its explorers."""
