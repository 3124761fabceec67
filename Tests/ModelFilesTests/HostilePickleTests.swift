import ArrayFiles
import ModelFiles
import Tensors
import TestSupport
import Testing

/// What no honest file holds is refused in words that say what it is, whatever it would do in Python.
@Suite struct HostilePickleTests {
  private let folder = TemporaryFolder()

  private func open(_ bytes: [UInt8], part: String? = nil) throws -> PyTorchFile {
    try write(bytes, to: folder.file("a.pth"))
    return try PyTorchFile(contentsOf: folder.file("a.pth"), part: part)
  }

  private func expectRefusal(_ bytes: [UInt8], _ words: String...) throws {
    let error = #expect(throws: FileError.self) { try open(bytes) }
    for word in words { #expect("\(try #require(error))".contains(word)) }
  }

  @Test(arguments: [
    ("posix", "system"), ("builtins", "eval"), ("__builtin__", "getattr"), ("subprocess", "Popen"),
    ("torch", "load"), ("torch.hub", "load"), ("collections", "namedtuple"), ("torch._utils", "_rebuild_sparse_tensor"),
  ])
  func `a function that is called is named and never run`(module: String, name: String) throws {
    let call = text("id") + [0x85] + op("R")
    try expectRefusal(file(pickle(global(module, name), call)), "'\(module).\(name)'", "torch.save")
    let late = [0x8C, UInt8(module.utf8.count)] + op(module) + [0x8C, UInt8(name.utf8.count)] + op(name) + [0x93]
    try expectRefusal(file(pickle(dictionary([("a", late + call)]), protocol: 4)), "it names '\(module).\(name)'")
  }

  @Test func `a class is named, as the whole of the file and in a dictionary`() throws {
    let object = global("__main__", "Net") + op(")") + [0x81] + op("}b")
    try expectRefusal(file(pickle(object)), "a whole object, made by Python's '__main__.Net'", "model.state_dict()")
    try expectRefusal(file(pickle(dictionary([("net", object)]))), "it names '__main__.Net'", "model.state_dict()")
    let known = global("collections", "OrderedDict") + op(")") + [0x81]
    try expectRefusal(file(pickle(known)), "an object of a class")
  }

  @Test func `names that are long or hide something are shown short and plain`() throws {
    let error = #expect(throws: FileError.self) {
      try open(file(pickle(global("a\u{1B}[2J\u{202E}" + String(repeating: "b", count: 900), "c"))))
    }
    let message = "\(try #require(error))"
    #expect(message.utf8.count < 400 && !message.unicodeScalars.contains { $0.value < 0x20 || $0.value == 0x202E })
    try expectRefusal(file(pickle(global(String(repeating: "b", count: 2000), "c"))), "1000 bytes")
  }

  @Test func `depth costs nothing`() throws {
    let depth = 200_000
    let tuples =
      [UInt8](repeating: UInt8(ascii: "("), count: depth) + [UInt8](repeating: UInt8(ascii: "t"), count: depth)
    try expectRefusal(file(pickle(tuples)), "got a tuple")
    let key = op("U") + [1] + op("k")
    let dictionaries = (0..<depth).flatMap { _ in op("}") + key } + op("}")
    try expectRefusal(
      file(pickle(dictionaries, [UInt8](repeating: UInt8(ascii: "s"), count: depth))), "no tensor that is named")
  }

  @Test func `what holds itself is read once`() throws {
    let own = op("}q") + [0] + text("self") + op("h") + [0] + op("s")
    let list = text("list") + op("]q") + [1] + op("h") + [1] + op("as")
    let value = text("t") + tensor(storage(count: 2), [2], [1]) + op("s")
    let read = try open(file(pickle(own, list, value)))
    #expect(read.names == ["t"] && read.passedOver == ["self": "a dictionary", "list": "a list"])
  }

  @Test func `objects, places in the memo and copies are counted`() throws {
    for bomb in [
      [UInt8](repeating: UInt8(ascii: "N"), count: 1_000_001), op("N") + [UInt8](repeating: 0x94, count: 1_000_001),
      [UInt8](repeating: UInt8(ascii: "("), count: 1_000_001),
    ] { try expectRefusal(file(pickle(bomb, protocol: 4)), "more than 1000000 objects") }
    // A dictionary made of a list again and again.
    let pairs = op("]q") + [0] + op("(") + (0..<5000).flatMap { key in tuple(number(key), op("N")) } + op("e")
    let copy = global("collections", "OrderedDict") + op("h") + [0, 0x85] + op("R")
    let copies = (0..<5000).flatMap { _ in copy }
    try expectRefusal(file(pickle(pairs, copies)), "more than 1000000 objects")
    let items = op("}q") + [0] + op("(") + (0..<5000).flatMap { key in number(key) + op("N") } + op("u")
    try expectRefusal(file(pickle(items, copies)), "more than 1000000 objects")
  }

  @Test func `a long key before many costs as much as it has bytes`() throws {
    let inner = dictionary([("t", tensor(storage(count: 2), [2], [1]))] + (0..<20_000).map { ("\($0)", op("N")) })
    try expectRefusal(file(pickle(dictionary([(String(repeating: "k", count: 10_000), inner)]))), "very long keys")
  }

  @Test func `a dictionary has a name once`() throws {
    let value = tensor(storage(count: 2), [2], [1])
    try expectRefusal(file(pickle(dictionary([("a", value), ("b", value), ("a", value)]))), "'a' stands twice")
  }

  static let views: [(storage: [UInt8], offset: Int, shape: [Int], strides: [Int], words: String)] = [
    (storage(count: 3), 0, [3], [1], "12 are needed"),
    (storage(count: 1 << 62), 0, [2], [1], "a storage of 4611686018427387904 values"),
    (storage(count: 1 << 60), 0, [2], [1], "4611686018427387904 are needed"),
    (storage(count: -1), 0, [2], [1], "-1 for a storage's length"),
    (storage("1", count: 2), 0, [2], [1], "no 'a/data/1'"),
    (storage("../version", count: 0), 0, [0], [1], "no 'a/data/../version'"),
    (part(from: 1, 1, ofStorageOf: 2), 0, [1], [1], ""), (part(from: 2, 0, ofStorageOf: 2), 0, [0], [1], ""),
    (part(from: 1, 1, ofStorageOf: 1), 0, [1], [1], "ends at 1 + 1, the storage at 1"),
    (part(from: 1 << 62, 1, ofStorageOf: 2), 0, [1], [1], "the storage at 2"),
    (part(from: .max, 1, ofStorageOf: 2), 0, [1], [1], "the storage at 2"),
    (storage(count: 2), 1, [2], [1], "from value 1 on, its storage 2 values"),
    (storage(count: 2), -1, [2], [1], "-1 for a tensor's offset"),
    (storage(count: 2), 0, [2], [-1], "-1 for a tensor's strides"),
    (storage(count: 2), 0, [-2], [1], "-2 for a tensor's shape"),
    (storage(count: 2), 0, [2], [], "rank 1 with 0 strides"),
    (storage(count: 2), 0, [1 << 31, 1 << 31, 4], [0, 0, 0], "impossible shape"),
    (storage(count: 2), 0, [2, 2], [1 << 62, 1 << 62], "its storage 2 values"),
    (storage(count: 2), .max, [1], [1], "its storage 2 values"),
    (storage(count: 2), 0, [1 << 40], [0], "would take over"),
    (
      storage(count: 2), 0, Array(repeating: 1, count: 65), Array(repeating: 1, count: 65),
      "65 numbers for a tensor's shape"
    ),
    (text("no storage"), 0, [2], [1], "a tensor of text"), (storage(count: 2), 0, [], [], ""),
    (storage(count: 2), .max, [0, 1 << 62, 1 << 62], [1, 1, 1], ""),
  ]

  @Test(arguments: views.indices) func `a view lies in its storage, and the storage in the file`(index: Int) throws {
    let (storage, offset, shape, strides, words) = Self.views[index]
    let bytes = file(pickle(dictionary([("a", tensor(storage, offset: offset, shape, strides))])))
    if words.isEmpty {
      #expect(try open(bytes).tensor(named: "a").shape == Shape(shape))
    } else {
      try expectRefusal(bytes, words)
    }
  }

  @Test func `many tensors of one small storage may not take more memory than files do`() throws {
    // Each within what one may take.
    let values = (0..<100).map { ("\($0)", tensor(storage(count: 2), [5000], [0])) }
    try expectRefusal(file(pickle(dictionary(values))), "would take over")
    #expect(try open(file(pickle(dictionary(Array(values.prefix(20)))))).names.count == 20)
  }

  static let broken: [(operations: [UInt8], words: String)] = [
    ([], "empty stack"), (op("R"), "empty stack"), (op("NR"), "empty stack"), (op("(NR"), "empty stack"),
    (op("NNR"), "a tuple is expected"), (op("N)R"), "calls None"), (op("t"), "no mark"), (op("u"), "no mark"),
    (op("Na"), "empty stack"), (op("}Na"), "appends to an empty dictionary"), (op("]NNs"), "sets an item of a list"),
    (op("}(Nu"), "a key without a value"), (op("h") + [7], "recalls number 7"), (op("q") + [7], "empty stack"),
    (op("NNb"), "gives attributes to None"), (op(")Q"), "no storage"), (op("NQ"), "a tuple is expected"),
    (op("(Ne"), "empty stack"), (op("N(N") + [0x90], "no set"), (op("P1\n"), "operation 80"),
    (op("I1\n"), "operation 73"),
    ([0x82, 1], "operation 130"), ([0x97], "operation 151"), (op("NN") + [0x93], "not text"),
    (global("torch", "Size") + op("N") + [0x85] + op("R"), "a size of None"),
    (global("torch", "FloatStorage") + op(")R"), "calls a class"),
    (global("torch", "Tensor") + op(")R"), "calls a class"),
    (global("torch._utils", "_rebuild_tensor_v2") + op(")R"), "0 arguments"),
    (global("torch._utils", "_rebuild_parameter") + op("]") + [0x85] + op("R"), "a parameter that is a list"),
    (global("torch._tensor", "_rebuild_from_type_v2") + op("(NNNtR"), "without a function"),
    (global("collections", "OrderedDict") + op("]Na") + [0x85] + op("R"), "no pairs"),
    (op("X") + [0xFF, 0xFF, 0xFF, 0xFF], "truncated"), ([0x8D] + Array(repeating: 0xFF, count: 8), "truncated"),
    ([0x8B, 0xFF, 0xFF, 0xFF, 0xFF], "truncated"), (op("N"), "got None"), (op("]"), "got a list"),
    (tensor(storage(count: 2), [2], [1]), "got a tensor"), (op("}"), "no tensor that is named"),
    (dictionary([("a", storage(count: 2) + op("0"))]), "operation 48"),
  ]

  @Test(arguments: broken.indices) func `what is no sense in a pickle is called that`(index: Int) throws {
    try expectRefusal(file(pickle(Self.broken[index].operations)), Self.broken[index].words)
  }

  @Test func `whole numbers of any length have their sign`() throws {
    for (bytes, value) in [
      ([0xFF], -1), ([0x00, 0x80], -32768), ([0x9C, 0xFF, 0xFF], -100), (Array(repeating: 0xFF, count: 7), -1),
    ] as [([UInt8], Int)] {
      let storage = tuple(
        text("storage"), global("torch", "FloatStorage"), text("0"), text("cpu"), [0x8A, UInt8(bytes.count)] + bytes)
      let values = dictionary([("a", tensor(storage + op("Q"), [2], [1]))])
      try expectRefusal(file(pickle(values)), "has \(value) for a storage's length")
    }
  }

  @Test func `two storages may not have one key`() throws {
    let values = [("a", tensor(storage(count: 2), [2], [1])), ("b", tensor(storage(count: 1), [1], [1]))]
    try expectRefusal(file(pickle(dictionary(values))), "two storages with the key '0'")
  }

  @Test func `archives of other kinds are called what they are`() throws {
    let good = pickle(dictionary([("a", tensor(storage(count: 2), [2], [1]))]))
    let values = ("a/data/0", [UInt8](repeating: 0, count: 8))
    try expectRefusal(zip([("a/data.pkl", good), values], method: 8), "compressed", "zip -0")
    try expectRefusal(zip([("a/data.pkl", good), ("b/data.pkl", good)]), "with 2 data.pkl")
    try expectRefusal(zip([("a/data.pkl", good), ("a/data.pkl", good)]), "'a/data.pkl' stands twice")
    try expectRefusal(zip([("a/data.pkl", good), values, ("a/constants.pkl", [])]), "TorchScript", "state_dict()")
    try expectRefusal(zip([("a/data.pkl", good), values, ("a/byteorder", op("middle"))]), "'middle'")
    try expectRefusal(zip([("x.npy", [])]), "with no data.pkl")
    try expectRefusal(pickle(op("}")), "torch.save did not write")
    try expectRefusal(
      op("sys_info") + Array(repeating: 0, count: 249) + op("ustar  ") + Array(repeating: 0, count: 512), "0.1.10")
    try expectRefusal(op("GGUF") + Array(repeating: 0, count: 40), "a GGUF file")
    #expect(try open(zip([("data.pkl", good), ("data/0", values.1)])).names == ["a"])
    #expect(try open(zip([("data.pkl", good), ("data/0", values.1)], comment: op("packed anew"))).names == ["a"])
  }
}
