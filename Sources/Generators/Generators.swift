// What users import: the networks of this target, and everything that they are made of.

@_exported import InstanceNorm
