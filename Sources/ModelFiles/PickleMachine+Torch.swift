import ArrayFiles
import Tensors

// What the functions that a pickle calls make: torch._utils and torch._tensor have them in Python.

extension PickleMachine {
  func tuple(_ place: Int, _ what: String) throws -> [Int] {
    guard case .tuple(let items) = objects[place] else {
      throw malformed("has \(objects[place].kind) for \(what), where a tuple is expected")
    }
    return items
  }

  /// What a function gives for its arguments.
  mutating func call(_ function: Int, with arguments: [Int]) throws -> PickleObject {
    guard case .global(let function) = objects[function] else {
      throw malformed("calls \(objects[function].kind)")
    }
    switch function {
    case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3: return .tensor(try tensor(function, arguments))
    case .rebuildParameter:
      let data = try argument(0, of: arguments)
      guard case .tensor = data else { throw malformed("has a parameter that is \(data.kind)") }
      return data
    case .rebuildFromType:
      // A tensor with attributes of its own: (function, class, arguments, attributes).
      guard arguments.count == 4, case .global(let inner) = objects[arguments[0]] else {
        throw malformed("has a tensor without a function")
      }
      switch inner {
      case .rebuildTensor, .rebuildTensorV2, .rebuildTensorV3:
        return .tensor(try tensor(inner, try tuple(arguments[2], "a tensor")))
      default: throw malformed("has a tensor without a function")
      }
    case .orderedDictionary: return .dictionary(try arguments.first.map { try pairs($0) } ?? [])
    // Its first argument makes values that are missing; a second one would be items.
    case .defaultDictionary: return .dictionary(try arguments.dropFirst().first.map { try pairs($0) } ?? [])
    case .counter: return .dictionary(try arguments.first.map { try pairs($0) } ?? [])
    case .size:
      let items = try argument(0, of: arguments)
      guard case .tuple = items else { throw malformed("has a size of \(items.kind)") }
      return items
    case .other(let kind): return .other(kind)
    case .storage, .passed: throw malformed("calls a class")
    }
  }

  /// The storage that a reference out of the pickle means: ("storage", class, key, device, count), in older files with
  /// a part of it at the end: (key, first, count).
  mutating func persistent(_ items: [Int]) throws -> PickleObject {
    guard items.count == 5 || items.count == 6, case .text("storage") = objects[items[0]],
      case .global(.storage(let type)) = objects[items[1]]
    else { throw malformed("refers to something that is no storage") }
    let key: String
    switch objects[items[2]] {
    case .text(let text): key = text
    case .integer(let number): key = "\(number)"
    default: throw malformed("has a storage without a key")
    }
    let count = try extent(items[4], "a storage's length")
    guard !count.multipliedReportingOverflow(by: type.byteCount).overflow else {
      throw malformed("has a storage of \(count) values")
    }
    let whole = TorchStorage(key: key, type: type, count: count)
    if let known = storages[key] {
      guard known.type.byteCount == type.byteCount, known.count == count else {
        throw malformed("has two storages with the key \(quoted(key))")
      }
    } else {
      try spend(1)
      storages[key] = whole
    }
    if items.count == 5 { return .storage(whole) }
    if case .none = objects[items[5]] { return .storage(whole) }
    let view = try tuple(items[5], "a part of a storage")
    guard view.count == 3 else { throw malformed("has a part of a storage that is not three values") }
    let (first, length) = (try extent(view[1], "a part's start"), try extent(view[2], "a part's length"))
    let (end, overflow) = first.addingReportingOverflow(length)
    guard !overflow, end <= count else {
      throw malformed("has a part of a storage that ends at \(first) + \(length), the storage at \(count)")
    }
    return .storage(TorchStorage(key: key, type: type, count: length, first: first))
  }

  /// (storage, offset, size, stride), then what only matters to gradients, then in version 3 the type; last, how the
  /// values are to be taken.
  private mutating func tensor(_ function: PickleGlobal, _ arguments: [Int]) throws -> TorchTensor {
    guard case .storage(let storage) = try argument(0, of: arguments) else {
      throw malformed("has a tensor of \(try argument(0, of: arguments).kind)")
    }
    guard arguments.count >= 4 else { throw malformed("has a tensor without a shape") }
    let offset = try extent(arguments[1], "a tensor's offset")
    let shape = try extents(arguments[2], "a tensor's shape")
    let strides = try extents(arguments[3], "a tensor's strides")
    guard shape.count == strides.count else {
      throw malformed("has a tensor of rank \(shape.count) with \(strides.count) strides")
    }
    try spend(2 * shape.count)
    var (type, flags) = (storage.type, 6)
    if case .rebuildTensorV3 = function {
      guard case .type(let named) = try argument(6, of: arguments) else {
        throw malformed("has a tensor without a type")
      }
      (type, flags) = (named, 7)
    }
    var trouble: String?
    if arguments.count > flags {
      switch objects[arguments[flags]] {
      case .none: break
      case .dictionary(let items) where items.isEmpty: break
      default:
        trouble = "is a conjugate or negative of its values; in Python, resolve_conj() and resolve_neg() make it plain"
      }
    }
    return TorchTensor(storage, type, offset: offset, shape: shape, strides: strides, trouble: trouble)
  }

  private func argument(_ index: Int, of arguments: [Int]) throws -> PickleObject {
    guard index < arguments.count else { throw malformed("calls a function with \(arguments.count) arguments") }
    return objects[arguments[index]]
  }

  private func extent(_ place: Int, _ what: String) throws -> Int {
    guard case .integer(let value) = objects[place], value >= 0 else {
      if case .integer(let value) = objects[place] { throw malformed("has \(value) for \(what)") }
      throw malformed("has \(objects[place].kind) for \(what)")
    }
    return value
  }

  private func extents(_ place: Int, _ what: String) throws -> [Int] {
    let items = try tuple(place, what)
    guard items.count <= Shape.maximumRank else {
      throw malformed("has \(items.count) numbers for \(what); \(Shape.maximumRank) are the most")
    }
    return try items.map { try extent($0, what) }
  }

  /// The items of a dictionary that another is made of: a dictionary's own, or a list of pairs.
  private mutating func pairs(_ place: Int) throws -> [Int] {
    switch objects[place] {
    case .dictionary(let items):
      try spend(items.count)
      return items
    case .list(let items), .tuple(let items):
      try spend(2 * items.count)
      return try items.flatMap { item in
        switch objects[item] {
        case .list(let pair) where pair.count == 2: return pair
        case .tuple(let pair) where pair.count == 2: return pair
        default: throw malformed("makes a dictionary of what are no pairs")
        }
      }
    default: throw malformed("makes a dictionary of \(objects[place].kind)")
    }
  }
}
