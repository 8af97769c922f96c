"""What a result is made of: the report's protocol flaw by flaw, and controls for any table of images x units."""
