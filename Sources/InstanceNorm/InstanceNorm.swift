// What users import: the modules and optimizers of this target, and the tensors and files below it.

@_exported import ArrayFiles
@_exported import ModelFiles
@_exported import Operations
@_exported import Tensors
