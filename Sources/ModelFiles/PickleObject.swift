/// Something that a pickle makes. Objects refer to one another by their places in the list of all, so that cycles and
/// depths of any kind cost nothing.
enum PickleObject {
  case none
  case bool(Bool)
  case integer(Int)
  /// A whole number of more than 64 bits, its lowest byte first.
  case long([UInt8])
  case number(Double)
  case text(String)
  /// What is known to be harmless and of no use here, by what it is: "bytes".
  case other(String)
  case tuple([Int])
  case list([Int])
  /// Keys and values in turn.
  case dictionary([Int])
  /// A class or function of Python's, by its name. None is ever run: each name that is known stands for what the reader
  /// makes itself.
  case global(PickleGlobal)
  case type(TorchType)
  case storage(TorchStorage)
  case tensor(TorchTensor)

  /// What it is, as a report says it.
  var kind: String {
    switch self {
    case .none: "None"
    case .bool: "a truth value"
    case .integer, .long: "a whole number"
    case .number: "a number"
    case .text: "text"
    case .other(let kind): kind
    case .tuple: "a tuple"
    case .list: "a list"
    case .dictionary(let items): items.isEmpty ? "an empty dictionary" : "a dictionary"
    case .global: "a name"
    case .type: "a type"
    case .storage: "a storage"
    case .tensor: "a tensor"
    }
  }
}

/// Values that tensors are views of.
struct TorchStorage: Sendable {
  /// What the file calls it.
  let key: String
  let type: TorchType
  /// How many values it has.
  let count: Int
  /// The number of the first, where it is a part of another storage, as files of 2017 have them.
  var first = 0
}

/// A view of a storage.
final class TorchTensor: Sendable {
  let storage: TorchStorage
  let type: TorchType
  let offset: Int
  let shape: [Int]
  let strides: [Int]
  /// Why its values cannot be had; nil where they can.
  let trouble: String?

  init(_ storage: TorchStorage, _ type: TorchType, offset: Int, shape: [Int], strides: [Int], trouble: String?) {
    self.storage = storage
    self.type = type
    self.offset = offset
    self.shape = shape
    self.strides = strides
    self.trouble = trouble
  }
}
