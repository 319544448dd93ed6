from . import onnx_file as onnx_file
