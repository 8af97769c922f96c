"""Train the report's candidates as its published code does; run with a Python that has tensorflow-cpu.

    python keras_candidates.py images.npz candidates.json out.json EPOCHS

``images.npz`` holds x_train, y_train, x_test, y_test (uint8 images (n, height, width, 3), labels 0 and 1), mean and
std (of each channel from 0 to 1, to standardise images). The output holds, for each candidate, seconds of training and
of each epoch, accuracy on the test images and number of parameters.
"""

import json
import os
import sys
import time
from pathlib import Path

os.environ.setdefault("TF_CPP_MIN_LOG_LEVEL", "3")

import keras
import numpy as np
from keras import layers


def build(values: dict, size: int) -> keras.Model:
    """Return one candidate: conv - ReLU - pool - layer norm, then global average, 64 ReLU units, two classes."""
    model = keras.Sequential([layers.Input((size, size, 3))])
    for _ in range(values["layers"]):
        model.add(layers.Conv2D(values["filters"], values["kernel"], padding="same", activation="relu"))
        model.add(layers.MaxPooling2D(2) if values["pool"] == "max" else layers.AveragePooling2D(2))
        if values["normalise"]:
            model.add(layers.LayerNormalization())
    model.add(layers.GlobalAveragePooling2D())
    model.add(layers.Dense(64, activation="relu"))
    model.add(layers.Dense(2, activation="softmax"))
    model.compile(optimizer=keras.optimizers.Adam(1e-3), loss="sparse_categorical_crossentropy", metrics=["accuracy"])
    return model


def main(images: str, candidates: str, out: str, epochs: str) -> None:
    """Train every candidate and write the results."""
    data = np.load(images)
    x_train, x_test = (
        ((data[name].astype(np.float32) / 255 - data["mean"]) / data["std"]).astype(np.float32)
        for name in ("x_train", "x_test")
    )
    found = []
    for number, values in enumerate(json.loads(Path(candidates).read_text())):
        keras.utils.set_random_seed(number)
        model = build(values, x_train.shape[1])
        ends: list[float] = []
        each = keras.callbacks.LambdaCallback(on_epoch_end=lambda *_, ends=ends: ends.append(time.perf_counter()))
        wall, cpu = time.perf_counter(), time.process_time()
        model.fit(x_train, data["y_train"], batch_size=32, epochs=int(epochs), verbose=0, callbacks=[each])
        times = time.perf_counter() - wall, time.process_time() - cpu
        accuracy = float(model.evaluate(x_test, data["y_test"], verbose=0)[1])
        about = {"accuracy": accuracy, "parameters": model.count_params(), "epochs": np.diff([wall, *ends]).tolist()}
        found.append({"seconds": times[0], "cpu": times[1]} | about)
        keras.backend.clear_session()
    Path(out).write_text(json.dumps(found))


if __name__ == "__main__":
    main(*sys.argv[1:])
