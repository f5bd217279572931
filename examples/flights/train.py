"""Will a flight arrive late? Gradient boosted trees on what is known an hour before its scheduled departure."""

import numpy as np
from matplotlib.figure import Figure
from skl2onnx import to_onnx
from sklearn.ensemble import HistGradientBoostingClassifier
from sklearn.metrics import log_loss, roc_auc_score, roc_curve

LABEL = "late"
NOT_FEATURES = {LABEL, "flight_id", "carrier", "origin", "decided_at", "landed_at"}


def train(ctx, frame, learning_rate: float = 0.1, leaves: int = 31, iterations: int = 120):
    """Fit on the older six sevenths of the rows, validate on the newest seventh; log all that serving needs."""
    frame = frame.sort_values(["decided_at", "flight_id"])
    features = [column for column in frame.columns if column not in NOT_FEATURES]
    cut = len(frame) * 6 // 7
    x, y = frame[features].astype(np.float32), frame[LABEL].astype(int)
    x_fit, y_fit, x_valid, y_valid = x[:cut], y[:cut], x[cut:], y[cut:]
    ctx.logger.info("%d rows to fit, %d to validate, %d features", len(x_fit), len(x_valid), len(features))

    model = HistGradientBoostingClassifier(
        learning_rate=learning_rate,
        max_leaf_nodes=leaves,
        max_iter=iterations,
        scoring="roc_auc",
        early_stopping=True,
        n_iter_no_change=20,
        random_state=7,
    )
    model.fit(x_fit.to_numpy(), y_fit, X_val=x_valid.to_numpy(), y_val=y_valid)
    for step, score in enumerate(model.validation_score_):
        ctx.log_metric("validation_auc", float(score), step=step)

    probability = model.predict_proba(x_valid.to_numpy())[:, 1]
    ctx.log_metrics(
        {
            "auc": float(roc_auc_score(y_valid, probability)),
            "log_loss": float(log_loss(y_valid, probability)),
            "trees": model.n_iter_,
        }
    )
    ctx.log_plot("roc", roc_picture(y_valid, probability))
    ctx.log_dataset("training_set", frame)
    onnx = to_onnx(model, x_fit[:1].to_numpy(), options={"zipmap": False})
    ctx.log_model("model", onnx, feature_names=features, training_set=x_fit)


def roc_picture(truth, probability):
    """The ROC curve as a figure."""
    false_positive, true_positive, _ = roc_curve(truth, probability)
    figure = Figure(figsize=(5, 5), layout="constrained")
    axes = figure.add_subplot()
    axes.plot(false_positive, true_positive)
    axes.plot([0, 1], [0, 1], linestyle=":", color="grey")
    axes.set(xlabel="False positive rate", ylabel="True positive rate", title="ROC on the newest seventh")
    return figure
