"""What a result rests on: the report's protocol, flaw by flaw, and controls for any table of images x units."""
