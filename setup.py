"""The models of resources/models are installed as part of the package; everything else stands in pyproject.toml."""

from setuptools import find_packages, setup

setup(
    packages=[*find_packages(include=["trifold*"]), "trifold.ready_made"],
    package_dir={"trifold.ready_made": "resources/models"},
)
