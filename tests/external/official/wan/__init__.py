from .text2video import WanT2V
from .textimage2video import WanTI2V
