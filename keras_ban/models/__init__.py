"""The networks of the published experiments, as functional Keras models."""

from keras_ban.models.acoustic_models import acoustic
from keras_ban.models.by_name import get
from keras_ban.models.by_name import takes_teacher
from keras_ban.models.carried import CarriedLSTM
from keras_ban.models.densenets import densenet
from keras_ban.models.language import cnn_lstm_lm
from keras_ban.models.language import lstm_lm
from keras_ban.models.matching import hidden_shapes
from keras_ban.models.matching import share_ends
from keras_ban.models.published import densenet_80_80
from keras_ban.models.published import densenet_80_120
from keras_ban.models.published import densenet_90_60
from keras_ban.models.published import densenet_112_33
from keras_ban.models.published import wide_resnet_28_1
from keras_ban.models.published import wide_resnet_28_2
from keras_ban.models.published import wide_resnet_28_5
from keras_ban.models.published import wide_resnet_28_10
from keras_ban.models.resnets import pre_resnet
from keras_ban.models.resnets import wide_resnet
from keras_ban.models.students import ban_densenet
from keras_ban.models.students import ban_pre_resnet
from keras_ban.models.students import ban_wide_resnet
from keras_ban.models.transformers import gpt

__all__ = [
    "CarriedLSTM",
    "acoustic",
    "ban_densenet",
    "ban_pre_resnet",
    "ban_wide_resnet",
    "cnn_lstm_lm",
    "densenet",
    "densenet_80_80",
    "densenet_80_120",
    "densenet_90_60",
    "densenet_112_33",
    "get",
    "gpt",
    "hidden_shapes",
    "lstm_lm",
    "pre_resnet",
    "share_ends",
    "takes_teacher",
    "wide_resnet",
    "wide_resnet_28_1",
    "wide_resnet_28_2",
    "wide_resnet_28_5",
    "wide_resnet_28_10",
]
