"""The estimators, as scikit-learn itself checks them."""

import pytest
from sklearn.utils.estimator_checks import estimator_checks_generator

from keras_ban.sklearn import BornAgainClassifier
from keras_ban.sklearn import BornAgainRegressor

BRIEF = {
    "generations": 1,
    "epochs": 10,
    "batch_size": 64,
    "hidden_units": (16,),
    "learning_rate": 0.05,
}
# The reason that scikit-learn gives for its own networks.
FAILING = {
    "check_sample_weight_equivalence_on_dense_data": (
        "a row of weight 2 is not in the batches of two rows"
    )
}
# They train nothing, or one network.
QUICK = {
    "check_all_zero_sample_weights_error",
    "check_classifiers_one_label",
    "check_classifiers_one_label_sample_weights",
    "check_classifiers_regression_target",
    "check_complex_data",
    "check_decision_proba_consistency",
    "check_do_not_raise_errors_in_init_or_set_params",
    "check_estimator_cloneable",
    "check_estimator_repr",
    "check_estimator_sparse_array",
    "check_estimator_sparse_matrix",
    "check_estimator_sparse_tag",
    "check_estimator_tags_renamed",
    "check_estimators_empty_data_messages",
    "check_estimators_partial_fit_n_features",
    "check_estimators_unfitted",
    "check_fit1d",
    "check_fit2d_1sample",
    "check_get_params_invariance",
    "check_mixin_order",
    "check_no_attributes_set_in_init",
    "check_non_transformer_estimators_n_iter",
    "check_parameters_default_constructible",
    "check_regressor_multioutput",
    "check_requires_y_none",
    "check_set_params",
    "check_supervised_y_no_nan",
    "check_valid_tag_types",
}


def checks():
    for estimator in (BornAgainClassifier, BornAgainRegressor):
        for made, check in estimator_checks_generator(estimator(**BRIEF)):
            name = getattr(check, "func", check).__name__
            marks = [] if name in QUICK else [pytest.mark.slow]
            if name in FAILING:
                reason = FAILING[name]
                marks.append(pytest.mark.xfail(reason=reason, strict=True))
            yield pytest.param(
                made, check, marks=marks, id=f"{estimator.__name__}-{name}"
            )


@pytest.mark.parametrize(("estimator", "check"), checks())
def test_scikit_learn_accepts_them(estimator, check):
    check(estimator)
