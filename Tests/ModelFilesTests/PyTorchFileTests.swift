import ArrayFiles
import ModelFiles
import Tensors
import TestSupport
import Testing

/// What PyTorch saved is read as PyTorch reads it.
@Suite struct PyTorchFileTests {
  private let folder = TemporaryFolder()

  /// All tensors of a file are those of another, to the bit and in their types.
  private func expectSame(_ file: PyTorchFile, _ expected: String) throws {
    let other = try SafetensorsFile(contentsOf: golden(expected))
    #expect(file.names == other.names)
    for name in other.names {
      let (ours, theirs) = (try file.tensor(named: name), try other.tensor(named: name))
      #expect(ours.shape == theirs.shape && ours.dtype == theirs.dtype, "\(name)")
      #expect(try bits(ours) == bits(theirs), "\(name)")
    }
  }

  @Test(arguments: ["torch_state", "torch_state_before_zip", "torch_state_big_endian"])
  func `views, shared storages and every type of values`(name: String) throws {
    let file = try PyTorchFile(contentsOf: golden("\(name).pth"))
    try expectSame(file, "torch_state.safetensors")
    #expect(file.part.isEmpty && file.parts == [""] && file.passedOver.isEmpty && !file.isParallel)
    let entry = try #require(file.entries["conv.slice"])
    #expect(entry.dtype == "float32" && entry.shape == [1, 2, 2])
    #expect(file.entries["bool"]?.dtype == "bool" && file.entries["uint16"]?.dtype == "uint16")
  }

  @Test(arguments: [3, 4, 5]) func `every protocol of pickles that PyTorch can be told to use`(version: Int) throws {
    let file = try PyTorchFile(contentsOf: golden("torch_protocol_\(version).pth"))
    #expect(try file.tensor(named: "a").doubles == [0, 1, 2] && file.tensor(named: "b").doubles == [1, 2, 3])
  }

  @Test func `a part of a storage, as the first versions had it`() throws {
    let file = try PyTorchFile(contentsOf: golden("torch_view_of_2017.pth"))
    #expect(try file.tensor(named: "view").doubles == [3, 4])
  }

  @Test func `names and dictionaries as Python 2 wrote them`() throws {
    let key = op("U") + [1] + op("k")
    let value =
      global("torch._utils", "_rebuild_tensor")
      + tuple(storage(count: 2), op("K") + [0], op("K") + [2, 0x85], op("K") + [1, 0x85]) + op("R")
    let old = pickle(global("collections", "OrderedDict"), op("](](") + key + value + op("ee") + [0x85] + op("R"))
    try write(file(old), to: folder.file("a.pth"))
    #expect(try PyTorchFile(contentsOf: folder.file("a.pth")).tensor(named: "k").doubles == [0, 0])
  }

  @Test func `types that tensors do not have are refused only when they are asked for`() throws {
    let file = try PyTorchFile(contentsOf: golden("torch_unread.pth"))
    #expect(try file.tensor(named: "read").doubles == [0, 1, 2])
    for (name, word) in [
      ("complex64", "type complex64"), ("float8_e4m3fn", "type float8_e4m3fn"), ("negated", "resolve_neg"),
      ("large", "9007199254740993"),
    ] {
      let error = #expect(throws: FileError.self) { try file.tensor(named: name) }
      #expect("\(try #require(error))".contains(word))
    }
    let error = #expect(throws: FileError.self) { try file.tensor(named: "reed") }
    #expect("\(try #require(error))".contains("nearest of its 5 tensors: 'read'"))
  }

  @Test func `the weights in a checkpoint, without DataParallel's prefix`() throws {
    let file = try PyTorchFile(contentsOf: golden("torch_checkpoint.pth"))
    try expectSame(file, "torch_checkpoint.safetensors")
    #expect(file.part == "model" && file.isParallel)
    #expect(file.passedOver["epoch"] == "a whole number" && file.passedOver["optimizer"] == "a dictionary")
    #expect(file.passedOver["step"] == "a tensor" && file.passedOver["nothing"] == "None")
    #expect(file.passedOver["options.deep"] == nil && file.passedOver.count == 16)
    #expect(try PyTorchFile(contentsOf: golden("torch_checkpoint.pth"), part: "").names == ["random", "step"])
  }

  private static let value = tensor(storage(count: 2), [2], [1])
  private static let weights = dictionary([("a", value)])

  @Test(arguments: [
    ([("generator", weights), ("discriminator", weights), ("epoch", op("N"))], "generator"),
    ([("params", weights), ("params_ema", weights)], "params_ema"),
    ([("model", dictionary([("state_dict", weights), ("head", weights)])), ("head", weights)], "model.state_dict"),
    ([("anything", weights), ("optimizer", dictionary([]))], "anything"), ([("a", value), ("extra", weights)], ""),
    ([("encoder", weights), ("decoder", weights)], nil),
  ])
  func `the dictionary whose name weights usually have`(items: [(String, [UInt8])], part: String?) throws {
    let path = folder.file("a.pth")
    try write(file(pickle(dictionary(items))), to: path)
    if let part {
      let file = try PyTorchFile(contentsOf: path)
      #expect(file.part == part && file.names == ["a"])
      #expect(Set(file.parts).subtracting([part]).allSatisfy { file.passedOver[$0] == "a dictionary of tensors" })
    } else {
      let error = #expect(throws: FileError.self) { try PyTorchFile(contentsOf: path) }
      #expect("\(try #require(error))".contains("2 parts: 'decoder', 'encoder'"))
      #expect(try PyTorchFile(contentsOf: path, part: "encoder").part == "encoder")
      let other = #expect(throws: FileError.self) { try PyTorchFile(contentsOf: path, part: "encode") }
      #expect("\(try #require(other))".contains("no part 'encode'; there is 'decoder', 'encoder'"))
    }
  }

  @Test(arguments: [
    ("torch_module.pth", "a whole object, made by Python's 'torch.nn.modules.linear.Identity'"),
    ("torch_module_before_zip.pth", "a whole object, made by Python's 'torch.nn.modules.linear.Identity'"),
    ("torch_module_inside.pth", "it names 'torch.nn.modules.linear.Identity'"),
    ("torch_numpy.pth", "it names 'numpy._core.multiarray.scalar'"),
    ("torch_quantized.pth", "it names 'torch._utils._rebuild_qtensor'"),
  ])
  func `what only Python can make is refused by its class`(name: String, words: String) throws {
    let error = #expect(throws: FileError.self) { try PyTorchFile(contentsOf: golden(name)) }
    let message = "\(try #require(error))"
    #expect(message.contains(words) && message.contains("torch.save(model.state_dict()"))
  }

  @Test func `a state dict is known by its first bytes, whatever its name`() throws {
    for (name, dtype) in [("torch_state.safetensors", "F32"), ("torch_state.pth", "float32")] {
      let path = folder.file("weights.bin")
      try write(bytes(of: golden(name)), to: path)
      let file = try StateDict(contentsOf: path)
      #expect(file.names.count == 26 && file.entries["conv.weight"]?.dtype == dtype)
      #expect(file.entries.filter { $0.value.isOfWholeNumbers }.count == 9)
      #expect(try file.tensor(named: "scalar").doubles == [1.5])
    }
    #expect(throws: FileError.self) { try StateDict(contentsOf: golden("torch_state.safetensors"), part: "model") }
    // Its length begins as a pickle does.
    let header = #"{"a":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}"#
    let padded = op(header) + Array(repeating: UInt8(ascii: " "), count: 0x0280 - header.utf8.count)
    try write([0x80, 2, 0, 0, 0, 0, 0, 0] + padded + [0, 0, 0, 0], to: folder.file("a.pth"))
    #expect(try StateDict(contentsOf: folder.file("a.pth")).names == ["a"])
  }
}
