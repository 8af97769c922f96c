"""The neural side: populations of units, their mean responses, reliability and read-out."""
