"""What is asked: prompts from files, the Hub and reasoning-gym, and the templates they go into."""

from curate.sources.prompts import Prompts
from curate.sources.samples import Samples
from curate.sources.template import Template, load_template

__all__ = ["Prompts", "Samples", "Template", "load_template"]
