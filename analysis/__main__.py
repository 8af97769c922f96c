"""``python -m analysis STAGE`` runs a stage of the pipeline."""

from analysis.cli import main

if __name__ == "__main__":
    main()
