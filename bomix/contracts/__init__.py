"""The extension points of bomix, a page each: what a component must have, what it may have, and a whole class.

A class of a user needs no base class. It is a frozen dataclass with the method that its contract asks for, named in a
study file as ``kind: my_package.my_module:MyClass``; its fields are its keys there.

===================  ==========================================================================================
page                 a component of it
===================  ==========================================================================================
``surrogate``        a model of every metric as a function of the mixture
``kernel``           what a Gaussian process believes of a metric before it has seen any value of it
``mean``             a prediction of every metric that a Gaussian process is corrected from
``acquisition``      how much a trial of a mixture promises
``strategy``         what proposes mixtures
``objective``        what is minimised, a function of the metrics
``evaluator``        what turns a mixture into losses
``reweighter``       a rule that moves the weights of the domains while a model is trained
``executor``         what runs trials
``exporter``         the mixture in the form that a trainer reads
``text``             where text comes from (a source), and what makes tokens of it (a tokenizer)
===================  ==========================================================================================

``traits`` says what any component may have beyond its contract, and how that is read; ``context``, ``covariance`` and
``preparation`` hold the values that contracts speak of.
"""
