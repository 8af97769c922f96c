import numpy as np

from analysis.audit.table import blocks, simulated_studies, table_audit
from analysis.core.seeds import seed_of


def test_detection_grows_with_the_confound_and_false_alarms_do_not(monkeypatch):
    """The studies of the default stage, with seeds that were not used to develop the generator and the rule."""
    monkeypatch.setattr(simulated_studies, "SHARES", (0.5, 0.8, 1.0))
    judged = simulated_studies.judge_studies(15, 199, seed_of(628, "unseen studies"))
    curve = simulated_studies.power_curve(judged).set_index(["share", "informative"])
    detected, alarms = curve.xs(False, level="informative"), curve.xs(True, level="informative")
    assert detected.blocks[0.5] <= 0.2
    assert detected.blocks[0.8] >= 0.8
    assert (alarms.blocks <= 0.1).all()
    assert (detected.blocks_low <= detected.blocks).all()
    assert (detected.blocks <= detected.blocks_high).all()
    # where label and recording coincide, nothing can tell
    assert curve.not_identifiable.unstack().loc[1.0].tolist() == [1, 1]
    assert (curve.not_identifiable.unstack().loc[[0.5, 0.8]] == 0).all(axis=None)
    # within recordings an empty study has no correlation, an informative one has
    assert detected.within.abs().max() < 0.03 < 0.1 < alarms.within.min()


def test_label_and_recording_are_related_to_the_degree_asked_for():
    one, again = (simulated_studies.simulate(0.8, True, 4) for _ in range(2))
    assert np.array_equal(one.responses, again.responses)
    for share, limits in ((0.5, (0, 0.4)), (0.8, (0.45, 0.85)), (1.0, (0.999, 1))):
        found = []
        for number in range(8):
            study = simulated_studies.simulate(share, number % 2 == 0, number)
            assert abs((study.block[study.label == 1] == 0).mean() - share) < 0.2
            assert abs((study.block[study.label == 0] == 0).mean() - (1 - share)) < 0.2
            varying = study.responses[:, np.ptp(study.responses, axis=0) > 1e-9]  # else never measured but once
            assert 0.7 < np.median(blocks.variance_explained(varying, study.block)) < 0.97
            assert np.isfinite(study.responses).all()
            found.append(table_audit.cramers_v(study.label, study.block))
        assert limits[0] <= np.mean(found) <= limits[1]


def test_filled_cells_of_studies_are_those_of_the_reports_table():
    studies = [simulated_studies.simulate((0.5, 1.0)[k % 2], True, k) for k in range(40)]
    filled = [blocks.filled_cells(study.responses).mean() for study in studies]
    assert abs(np.mean(filled) - 0.134) < 0.03
