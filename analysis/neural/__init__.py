"""Neural data: populations of units, their mean responses, reliability and read-out."""
