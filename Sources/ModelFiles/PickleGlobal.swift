/// The names of Python's that a file of weights may hold, as what they stand for here.
enum PickleGlobal {
  case rebuildTensor, rebuildTensorV2, rebuildTensorV3, rebuildParameter, rebuildFromType
  case orderedDictionary, defaultDictionary, counter, size
  /// What makes a set, bytes or a device, which are of no use here.
  case other(String)
  case storage(TorchType)
  /// A class that is passed to another and never called.
  case passed

  /// What a name stands for; nil for all that are not known.
  static func named(_ module: String, _ name: String) -> PickleObject? {
    if ["torch", "torch.cuda", "torch.storage"].contains(module), let type = TorchType.ofStorages[name] {
      return .global(.storage(type))
    }
    if module == "torch" {
      if let type = TorchType.named[name] { return .type(type) }
      if ["strided", "contiguous_format", "channels_last", "preserve_format"].contains(name) {
        return .other("a layout")
      }
    }
    return globals["\(module).\(name)"].map { .global($0) }
  }

  private static let globals: [String: PickleGlobal] = {
    var globals: [String: PickleGlobal] = [
      "torch._utils._rebuild_tensor": .rebuildTensor,
      "torch._utils._rebuild_tensor_v2": .rebuildTensorV2,
      "torch._utils._rebuild_tensor_v3": .rebuildTensorV3,
      "torch._utils._rebuild_parameter": .rebuildParameter,
      "torch._utils._rebuild_parameter_with_state": .rebuildParameter,
      "torch._tensor._rebuild_from_type_v2": .rebuildFromType,
      "collections.OrderedDict": .orderedDictionary,
      "collections.defaultdict": .defaultDictionary,
      "collections.Counter": .counter,
      "torch.Size": .size,
      "torch.device": .other("a device"),
      "_codecs.encode": .other("bytes"),
      "torch.Tensor": .passed,
      "torch.nn.parameter.Parameter": .passed,
    ]
    for module in ["builtins", "__builtin__"] {
      globals["\(module).set"] = .other("a set")
      for name in ["dict", "list", "tuple", "int", "float", "str", "bool"] { globals["\(module).\(name)"] = .passed }
    }
    return globals
  }()
}
