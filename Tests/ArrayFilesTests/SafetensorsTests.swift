import ArrayFiles
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct SafetensorsTests {
  private let folder = TemporaryFolder()

  /// A file of a header and values, put together by hand.
  private func file(
    _ header: String, values: Int = 8, claimedLength: UInt64? = nil, last: UInt8? = nil
  ) throws -> String {
    let length = claimedLength ?? UInt64(header.utf8.count)
    let path = folder.file("a.safetensors")
    try write(
      littleEndian(length, byteCount: 8) + Array(header.utf8)
        + Array(repeating: last == nil ? 0 : 0xFF, count: values) + (last.map { [$0] } ?? []), to: path)
    return path
  }

  @Test func `whole numbers of 64 bits are float64 where that holds them`() throws {
    let path = folder.file("whole.safetensors")
    let numbers = try Tensor([0, -1, 3, 0x1p53, -0x1p62], shape: [5])
    try SafetensorsFile.write(["n": numbers, "x": Tensor([1.5])], wholeNumbers: ["n"], to: path)
    let file = try SafetensorsFile(contentsOf: path)
    #expect(file.entries["n"]?.dtype == "I64" && file.entries["x"]?.dtype == "F64")
    #expect(try file.tensor(named: "n").doubles == numbers.doubles)
    let odd = try SafetensorsFile(
      contentsOf: self.file(#"{"a":{"dtype":"I64","shape":[1],"data_offsets":[0,8]}}"#, values: 7, last: 0x7F))
    #expect(throws: FileError.self) { try odd.tensor(named: "a") }
    #expect(throws: FileError.notWritten(path: path, reason: "'n' has 0.5, which is not a whole number")) {
      try SafetensorsFile.write(["n": Tensor([0.5])], wholeNumbers: ["n"], to: path)
    }
  }

  @Test func `PyTorch's file is read`() throws {
    let file = try SafetensorsFile(contentsOf: golden("state_dict.safetensors"))
    #expect(file.names.contains("norm1.num_batches_tracked"))
    let entry = try #require(file.entries["conv.weight"])
    #expect(entry.dtype == "F32" && entry.shape == [4, 3, 3, 3] && entry.range.count == 432)
    #expect(try bits(file.tensor(named: "norm1.weight")) == bits(NPY.read(from: golden("state_dict_norm1_weight.npy"))))
    #expect(try file.tensor(named: "norm1.num_batches_tracked").doubles == [0])
  }

  @Test func `types that tensors do not have are refused only when they are asked for`() throws {
    let file = try SafetensorsFile(
      contentsOf: file(
        #"{"a":{"dtype":"F8_E4M3FNUZ","shape":[3],"data_offsets":[0,3]},"# + #""n":{"dtype":"F4","shape":[2],"#
          + #""data_offsets":[3,4]},"z":{"dtype":"X9","shape":[7],"data_offsets":[4,8]},"#
          + #""b":{"dtype":"F32","shape":[1],"data_offsets":[8,12]}}"#, values: 12))
    #expect(try file.tensor(named: "b").doubles == [0])
    for (name, type) in [("a", "F8_E4M3FNUZ"), ("n", "F4"), ("z", "X9")] {
      let error = #expect(throws: FileError.self) { try file.tensor(named: name) }
      #expect("\(try #require(error))".contains("'\(type)'"))
    }
  }

  @Test(
    arguments: [("I8", 1, -1.0), ("U8", 1, 255), ("I16", 2, -1), ("U16", 2, 65535), ("I32", 4, -1)] + [
      ("U32", 4, 4_294_967_295), ("I64", 8, -1),
    ])
  func `whole numbers of every type are float64`(type: String, width: Int, last: Double) throws {
    // More than are read at a time, all bits of the last number set.
    let count = 5000
    let header = #"{"a":{"dtype":"\#(type)","shape":[\#(count)],"data_offsets":[0,\#(count * width)]}}"#
    let path = folder.file("a.safetensors")
    let values =
      (0..<count - 1).flatMap { littleEndian($0 % 100, byteCount: width) } + Array(repeating: 0xFF, count: width)
    try write(littleEndian(header.utf8.count, byteCount: 8) + Array(header.utf8) + values, to: path)
    let found = try SafetensorsFile(contentsOf: path).tensor(named: "a")
    #expect(try found.doubles == (0..<count - 1).map { Double($0 % 100) } + [last])
  }

  @Test func `what the format may have learnt since does not stop a file`() throws {
    for header in [
      #"{"__metadata__":null,"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#,
      #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[-0,8]},"e":{"dtype":"F32","shape":[-0],"data_offsets":[8,8]}}"#,
      #"{"a":{"new":{"x":[1,-2.5e3,{"]":"}\""}],"y":null} , "dtype":"F32","shape":[2],"data_offsets":[0,8],"n":true}}"#,
    ] { #expect(try SafetensorsFile(contentsOf: file(header)).tensor(named: "a").shape == [2], "\(header)") }
    for value in ["[1,2", "{]", "", ",", "}", "\"", String(repeating: "[", count: 100_000)] {
      let header = #"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8],"new":\#(value)}}"#
      #expect(throws: FileError.self, "\(value.prefix(9))") { try SafetensorsFile(contentsOf: file(header)) }
    }
  }

  @Test func `a header has 100 MB at most`() throws {
    let path = folder.file("long.safetensors")
    let header = Array(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#.utf8)
    for (length, isRead) in [(100_000_000, true), (100_000_001, false)] {
      // Filled up with space, which takes no room on the disk until it is written.
      let file = open(path, O_RDWR | O_CREAT | O_TRUNC, 0o600)
      let start = littleEndian(length, byteCount: 8) + header
      let space = [UInt8](repeating: 0x20, count: length - header.count)
      #expect(Foundation.write(file, start, start.count) == start.count)
      #expect(!isRead || Foundation.write(file, space, space.count) == space.count)
      #expect(ftruncate(file, off_t(8 + length + 8)) == 0)
      close(file)
      if isRead {
        #expect(try SafetensorsFile(contentsOf: path).names == ["a"])
      } else {
        let error = #expect(throws: FileError.self) { try SafetensorsFile(contentsOf: path) }
        #expect("\(try #require(error))".contains("100000001 bytes"))
      }
    }
  }

  @Test func `an error about a missing tensor names the nearest and not a whole file`() throws {
    let names = (0..<500).map { "model.\($0).weight" } + ["model.module.head.bias"]
    let error = FileError.missingTensor(path: "a", name: "model.1234.weight", available: names)
    #expect(
      "\(error)" == "a: no tensor 'model.1234.weight'; nearest of its 501 tensors: 'model.123.weight', "
        + "'model.124.weight', 'model.134.weight'")
    // A network that was saved inside another.
    #expect(
      "\(FileError.missingTensor(path: "a", name: "head.bias", available: names))".contains(
        "tensors: 'model.module.head.bias'"))
    #expect("\(FileError.missingTensor(path: "a", name: "b", available: []))" == "a: no tensor 'b'; there is no tensor")
  }

  @Test func `what is written is read again, in every type`() throws {
    let path = folder.file("b.safetensors")
    var tensors: [String: Tensor] = ["a/\"quoted\" ü": try .zeros([0, 3]), "scalar": try Tensor([3.5], shape: [])]
    for dtype in DType.allCases { tensors["\(dtype)"] = try .randomNormal([3, 5], seed: 1, dtype: dtype) }
    tensors["channels last"] = try .randomNormal([2, 3, 4, 5], seed: 2).to(.nhwc)
    try SafetensorsFile.write(tensors, metadata: ["format": "pt", "note": "two\nlines"], to: path)

    let file = try SafetensorsFile(contentsOf: path)
    #expect(file.metadata == ["format": "pt", "note": "two\nlines"])
    #expect(file.names == tensors.keys.sorted())
    for (name, tensor) in tensors {
      let again = try file.tensor(named: name)
      #expect(again.shape == tensor.shape && again.dtype == tensor.dtype)
      #expect(try bits(again) == bits(tensor))
      #expect(try #require(file.entries[name]).range.lowerBound % tensor.dtype.byteCount == 0)
    }
    try SafetensorsFile.write([:], to: path)
    #expect(try SafetensorsFile(contentsOf: path).names == [])
    #expect(throws: FileError.self) { try SafetensorsFile.write(["__metadata__": .zeros([1])], to: path) }
  }

  @Test func `asking for a tensor that is not there throws`() throws {
    let path = try file(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}"#)
    #expect(throws: FileError.missingTensor(path: path, name: "b", available: ["a"])) {
      try SafetensorsFile(contentsOf: path).tensor(named: "b")
    }
  }

  @Test func `names may be written with escapes`() throws {
    let path = try file(#"{ "\u00fc\n\"\ud83d\ude00/\/" : {"shape":[2] , "dtype":"F32","data_offsets":[ 0, 8 ]}}"#)
    #expect(try SafetensorsFile(contentsOf: path).names == ["ü\n\"😀//"])
  }

  @Test func `headers that lie throw, and say why`() throws {
    func expectFault(
      _ header: String, values: Int = 8, length: UInt64? = nil, _ words: String,
      sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try file(header, values: values, claimedLength: length)
      let error = #expect(throws: FileError.self, sourceLocation: sourceLocation) {
        try SafetensorsFile(contentsOf: path)
      }
      let text = error.map { "\($0)" } ?? ""
      #expect(text.hasPrefix(path) && text.contains(words), "\(text)", sourceLocation: sourceLocation)
    }
    func entry(_ name: String, _ shape: String, _ offsets: String, dtype: String = "F32") -> String {
      #""\#(name)":{"dtype":"\#(dtype)","shape":\#(shape),"data_offsets":\#(offsets)}"#
    }
    #expect(throws: Never.self) { try SafetensorsFile(contentsOf: file("{\(entry("a", "[2]", "[0,8]"))}   ")) }
    try expectFault("{\(entry("a", "[2]", "[0,8]"))}", values: 7, "ends at byte 8")
    try expectFault("{\(entry("a", "[2]", "[0,8]"))}", values: 9, "belong to no tensor")
    try expectFault("{\(entry("a", "[1]", "[0,4]"))}", values: 8, "belong to no tensor")
    try expectFault("{\(entry("a", "[1]", "[4,8]"))}", values: 8, "belong to no tensor")
    try expectFault("{\(entry("a", "[2]", "[0,8]")),\(entry("b", "[1]", "[4,8]"))}", "overlaps")
    try expectFault("{\(entry("a", "[3]", "[0,8]"))}", "not 8 bytes")
    try expectFault("{\(entry("a", "[-2]", "[0,8]"))}", "negative")
    try expectFault("{\(entry("a", "[2]", "[-8,0]"))}", "lies at bytes -8")
    try expectFault("{\(entry("a", "[2]", "[8,0]"))}", "lies at bytes 8")
    try expectFault("{\(entry("a", "[2]", "[0,4,8]"))}", "more than 2 items")
    try expectFault("{\(entry("a", "[4611686018427387904,4]", "[0,8]"))}", "overflows")
    try expectFault("{\(entry("a", "[4611686018427387904]", "[0,8]"))}", "not 8 bytes")
    try expectFault("{\(entry("a", "[2]", "[0,1e300]"))}", "malformed")
    try expectFault("{\(entry("a", "[2.5]", "[0,8]"))}", "malformed")
    try expectFault(#"{"a":{"dtype":"F32","shape":[2]}}"#, "two 'data_offsets' are needed")
    try expectFault(#"{"a":{"dtype":"F32","shape":[2],"data_offsets":[0]}}"#, "two 'data_offsets' are needed")
    try expectFault("{\(entry("a", "[2]", "[0,8]")),\(entry("a", "[1]", "[0,8]", dtype: "F64"))}", "'a' stands twice")
    try expectFault(#"{"a":{"dtype":"F32","dtype":"F64","shape":[2],"data_offsets":[0,8]}}"#, "'dtype' stands twice")
    try expectFault(#"{"__metadata__":{},"__metadata__":{}}"#, "stands twice")
    try expectFault("{\(entry("a", "[\(String(repeating: "1,", count: 65))1]", "[0,4]"))}", "more than 64 items")
    try expectFault(#"{"\q":3}"#, "unknown escape")
    try expectFault(#"{"\u{1B}":3}"#, "hexadecimal")
    try expectFault("{\"\u{1B}\":3}", "control character")
    try expectFault(#"{"__metadata__":{"k":"1","k":"2"}}"#, "'k' stands twice")
    // What Python takes and JSON does not.
    try expectFault("{'a':{}}", "expected a string")
    try expectFault("{\(entry("a", "[2]", "[0,8]")),}", "expected a string")
    try expectFault("{\(entry("a", "[2,]", "[0,8]"))}", "expected a whole number")
    try expectFault("{\(entry("a", "[02]", "[0,8]"))}", "begins with 0")
    try expectFault(#"{"\ud800":3}"#, "unknown escape")
    try expectFault(#"{"a":3}"#, "malformed")
    try expectFault(#"{"__metadata__":{"a":3}}"#, "malformed")
    try expectFault("{", "malformed")
    try expectFault("[]", "does not begin with '{'")
    try expectFault("", values: 0, "does not begin with '{'")
    try expectFault("{}", values: 0, length: 3, "the header would have 3 bytes")
    try expectFault("{}", values: 0, length: .max, "the header would have")
    try expectFault(String(repeating: #"{"a":"#, count: 5000), "malformed")
    try write([1, 2, 3], to: folder.file("short"))
    #expect(throws: FileError.self) { try SafetensorsFile(contentsOf: folder.file("short")) }
    #expect(throws: FileError.self) { try SafetensorsFile(contentsOf: folder.path) }
  }
}
