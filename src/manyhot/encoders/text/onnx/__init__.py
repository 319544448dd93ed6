"""Texts by a pretrained model in ONNX."""
