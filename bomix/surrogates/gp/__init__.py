"""Gaussian processes, one for each metric: from runs to a posterior in three steps.

``inputs(data, context, spec) -> GPInputs`` standardises runs and binds kernels (:mod:`~bomix.surrogates.gp.inputs`),
``hyperparameters(inputs, spec) -> theta`` searches (:mod:`~bomix.surrogates.gp.hyperparameters`), and
``posterior(inputs, theta) -> IndependentGPs`` is the model (:mod:`~bomix.surrogates.gp.independent`). A new field of
:class:`~bomix.surrogates.gp.settings.GPSettings` is named there and in the step where it acts, nowhere else.

What stands in formulas, shapes and arguments of this package and of :mod:`bomix.surrogates.kernels`:

=================  ==========================================================================================
``n``              runs; ``n'`` and ``q`` are other mixtures, those of one joint prediction
``d``              domains: weights of a mixture
``m``              metrics
``f``              families of covariances, one for each kernel of the spec
``s``              draws of the hyperparameters; 1 where they are the best ones
``b``              processes computed at once: metrics, times draws or starts, whatever is needed
``p``              hyperparameters of a process; of extra inputs behind the ``d`` weights, how many
``c``              columns among the extra inputs that one metric sees
``k``              metrics of runs that are missing, all together
``theta``          hyperparameters, ``b x p``, logarithms of positive numbers, those of the noise last
``rows``           ``b`` metrics that the rows of ``theta`` belong to
``prior.tied``     groups of hyperparameters that are one number where metrics share them
``own_domains``    ``m`` positions of the domain that a metric is the validation loss of, -1 without one
``targets``        ``m x n``: metrics standardised, less the mean, NaN where missing
``noise``          variance of a run's noise, standardised
``known``          ``m x n`` of it where the data carry it
=================  ==========================================================================================
"""
