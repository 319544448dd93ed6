"""scikit-learn's MLPClassifier on CSR rows, Adam, as many epochs."""

import time
import warnings

from sklearn.exceptions import ConvergenceWarning
from sklearn.neural_network import MLPClassifier
from sparse_common import arguments, rows, tell

warnings.simplefilter("ignore", ConvergenceWarning)
options = arguments()
X, Y = rows(options.folder, "train")
network = MLPClassifier(
    (options.units,),
    batch_size=options.batch,
    learning_rate_init=options.rate,
    alpha=0.0,
    max_iter=options.epochs,
    tol=0.0,
    random_state=0,
)
began = time.perf_counter()
network.fit(X, Y.astype(int))
seconds = time.perf_counter() - began
X_test, Y_test = rows(options.folder, "test")
tell(seconds, len(Y), options.epochs, network.predict_proba(X_test), Y_test)
