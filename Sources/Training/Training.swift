// What users import: the trainers and the data of this target, the networks that they train, and pictures.

@_exported import Generators
@_exported import ImageFiles
