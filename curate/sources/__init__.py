"""What is asked: prompts from files, the Hub and reasoning-gym, and the templates they go into."""

from curate.sources.magpie import Magpie
from curate.sources.prompt_template import PromptTemplate
from curate.sources.prompts import Prompts
from curate.sources.samples import Samples
from curate.sources.template import Template, load_template

__all__ = ["Magpie", "PromptTemplate", "Prompts", "Samples", "Template", "load_template"]
