import ArrayFiles

/// Reads a pickle, the program in which Python writes objects down, as far as `torch.save` uses that language.
///
/// It can run nothing: names of Python's stand for what `PickleGlobal` makes of them, and a name that is not known ends
/// the reading. What it takes is bounded by `mostObjects`, whatever the pickle says.
///
/// Source: Python's `pickletools`, which describes every operation.
struct PickleMachine {
  var source: PickleSource
  private(set) var objects: [PickleObject] = []
  /// Storages by their keys, of this pickle.
  var storages: [String: TorchStorage] = [:]

  private var stack: [Int] = []
  /// The heights of the stack at its marks.
  private var marks: [Int] = []
  private var memo: [UInt64: Int] = [:]
  /// Objects, places in the memo and copies of items so far.
  private var spent = 0

  /// Networks of a thousand layers, with an optimizer's state, have a tenth of that.
  static let mostObjects = 1_000_000

  init(_ source: PickleSource) {
    self.source = source
  }

  /// Reads a pickle to its end.
  ///
  /// - Returns: the place of what it describes, in ``objects``.
  /// - Throws: `FileError`.
  mutating func load() throws -> Int {
    while true {
      let operation = try source.byte()
      if operation == UInt8(ascii: ".") { return try pop() }
      try run(operation)
    }
  }

  private mutating func run(_ operation: UInt8) throws {
    switch operation {
    case 0x80:
      let version = try source.byte()
      guard (1...5).contains(version) else { throw unsupported("a pickle of protocol \(version); 1 to 5 are read") }
    case 0x95: _ = try source.unsigned(8)
    case UInt8(ascii: "("):
      try spend(1)
      marks.append(stack.count)

    case UInt8(ascii: "N"): try push(.none)
    case 0x88: try push(.bool(true))
    case 0x89: try push(.bool(false))
    case UInt8(ascii: "J"): try push(.integer(Int(Int32(truncatingIfNeeded: try source.unsigned(4)))))
    case UInt8(ascii: "K"): try push(.integer(Int(try source.byte())))
    case UInt8(ascii: "M"): try push(.integer(Int(try source.unsigned(2))))
    case 0x8A: try pushLong(byteCount: UInt64(try source.byte()))
    case 0x8B: try pushLong(byteCount: try source.unsigned(4))
    case UInt8(ascii: "G"):
      let bits = try source.bytes(8).reduce(UInt64(0)) { $0 << 8 | UInt64($1) }
      try push(.number(Double(bitPattern: bits)))

    // The short and the long text of Python 2, whose names are such; then that of Python 3.
    case UInt8(ascii: "U"): try push(.text(try source.text(UInt64(try source.byte()))))
    case UInt8(ascii: "T"): try push(.text(try source.text(try source.unsigned(4))))
    case 0x8C: try push(.text(try source.text(UInt64(try source.byte()))))
    case UInt8(ascii: "X"): try push(.text(try source.text(try source.unsigned(4))))
    case 0x8D: try push(.text(try source.text(try source.unsigned(8))))
    case UInt8(ascii: "C"): try pushBytes(UInt64(try source.byte()))
    case UInt8(ascii: "B"): try pushBytes(try source.unsigned(4))
    case 0x8E, 0x96: try pushBytes(try source.unsigned(8))

    case UInt8(ascii: ")"): try push(.tuple([]))
    case 0x85...0x87: try push(.tuple(try pop(Int(operation) - 0x84)))
    case UInt8(ascii: "t"): try push(.tuple(try popToMark()))
    case UInt8(ascii: "]"): try push(.list([]))
    case UInt8(ascii: "a"): try append([try pop()])
    case UInt8(ascii: "e"): try append(try popToMark())
    case UInt8(ascii: "}"): try push(.dictionary([]))
    case UInt8(ascii: "s"): try set(try pop(2))
    case UInt8(ascii: "u"): try set(try popToMark())
    case 0x8F: try push(.other("a set"))
    case 0x90:
      _ = try popToMark()
      guard case .other = objects[try top()] else { throw malformed("adds to something that is no set") }

    case UInt8(ascii: "q"): try remember(UInt64(try source.byte()))
    case UInt8(ascii: "r"): try remember(try source.unsigned(4))
    case 0x94: try remember(UInt64(memo.count))
    case UInt8(ascii: "h"): try recall(UInt64(try source.byte()))
    case UInt8(ascii: "j"): try recall(try source.unsigned(4))

    case UInt8(ascii: "c"): try push(try global(try source.line(), try source.line()))
    case 0x93:
      let names = try pop(2)
      guard case .text(let module) = objects[names[0]], case .text(let name) = objects[names[1]] else {
        throw malformed("has a name that is not text")
      }
      try push(try global(module, name))
    case UInt8(ascii: "R"):
      let operands = try pop(2)
      try push(try call(operands[0], with: try tuple(operands[1], "what a function is called with")))
    case UInt8(ascii: "b"):
      _ = try pop()
      switch objects[try top()] {
      // An ordered dictionary's attributes, of which a state dict has its version.
      case .dictionary, .tensor: break
      case let object: throw malformed("gives attributes to \(object.kind)")
      }
    case UInt8(ascii: "Q"): try push(try persistent(try tuple(try pop(), "a storage")))
    case 0x81, 0x92, UInt8(ascii: "o"), UInt8(ascii: "i"):
      throw unsupported("an object of a class is made; weights need none. \(Self.advice)")
    default:
      throw unsupported(
        "a pickle with operation \(operation) at byte \(source.place - 1), which torch.save does not use")
    }
  }
}

// MARK: - The stack

extension PickleMachine {
  /// Counts what is kept.
  mutating func spend(_ count: Int) throws {
    spent += count
    guard spent <= Self.mostObjects else {
      throw unsupported("a pickle of more than \(Self.mostObjects) objects")
    }
  }

  private mutating func push(_ object: PickleObject) throws {
    try spend(1)
    stack.append(objects.count)
    objects.append(object)
  }

  private mutating func pushLong(byteCount: UInt64) throws {
    let bytes = try source.bytes(byteCount)
    guard bytes.count <= 8 else { return try push(.long(bytes)) }
    let isNegative = bytes.last.map { $0 >= 0x80 } ?? false
    try push(.integer(bytes.reversed().reduce(isNegative ? -1 : 0) { $0 << 8 | Int($1) }))
  }

  private mutating func pushBytes(_ count: UInt64) throws {
    _ = try source.bytes(count)
    try push(.other("bytes"))
  }

  private func top() throws -> Int {
    guard let last = stack.last, stack.count > (marks.last ?? 0) else { throw malformed("takes from an empty stack") }
    return last
  }

  private mutating func pop() throws -> Int {
    _ = try top()
    return stack.removeLast()
  }

  private mutating func pop(_ count: Int) throws -> [Int] {
    guard stack.count - (marks.last ?? 0) >= count else { throw malformed("takes from an empty stack") }
    defer { stack.removeLast(count) }
    return Array(stack.suffix(count))
  }

  private mutating func popToMark() throws -> [Int] {
    guard let mark = marks.popLast() else { throw malformed("has no mark where one is needed") }
    defer { stack.removeLast(stack.count - mark) }
    return Array(stack[mark...])
  }

  /// Puts items behind those of the list on top. The list is taken out of its place meanwhile, or it would be copied.
  private mutating func append(_ items: [Int]) throws {
    let place = try top()
    guard case .list(var list) = objects[place] else { throw malformed("appends to \(objects[place].kind)") }
    objects[place] = .none
    list += items
    objects[place] = .list(list)
  }

  private mutating func set(_ items: [Int]) throws {
    let place = try top()
    guard case .dictionary(var pairs) = objects[place] else {
      throw malformed("sets an item of \(objects[place].kind)")
    }
    guard items.count % 2 == 0 else { throw malformed("has a key without a value") }
    objects[place] = .none
    pairs += items
    objects[place] = .dictionary(pairs)
  }

  private mutating func remember(_ key: UInt64) throws {
    try spend(1)
    memo[key] = try top()
  }

  private mutating func recall(_ key: UInt64) throws {
    guard let place = memo[key] else { throw malformed("recalls number \(key), which it has not kept") }
    try spend(1)
    stack.append(place)
  }

  private func global(_ module: String, _ name: String) throws -> PickleObject {
    if let known = PickleGlobal.named(module, name) { return known }
    let full = quoted("\(module).\(name)")
    // A network's own class is the first thing in its pickle, in the older format behind the word "module".
    let isWhole =
      switch stack.last.map({ objects[$0] }) {
      case nil: marks.isEmpty
      case .text("module"): stack.count == 1 && marks == [0]
      default: false
      }
    throw unsupported(
      isWhole
        ? "it is a whole object, made by Python's \(full), and not its weights. \(Self.advice)"
        : "it names \(full), and weights need only tensors, dictionaries, lists, numbers and text. \(Self.advice)")
  }

  private static let advice =
    "Where it comes from, in Python, torch.save(model.state_dict(), \"weights.pth\") saves the weights alone"

  func malformed(_ reason: String) -> FileError {
    .malformed(path: source.file.path, reason: "the pickle \(reason), before byte \(source.place)")
  }

  func unsupported(_ reason: String) -> FileError { .unsupported(path: source.file.path, reason: reason) }
}
