import ArrayFiles
import Foundation
import Tensors
import TestSupport
import Testing

@Suite struct NPYTests {
  private let folder = TemporaryFolder()

  /// An .npy file of a header and values, put together by hand.
  private func file(_ header: String, values: Int = 0, version: [UInt8] = [1, 0], name: String = "a.npy") throws
    -> String
  {
    let text = Array(header.utf8) + [0x0A]
    let length = littleEndian(text.count, byteCount: version[0] == 1 ? 2 : 4)
    let bytes = [0x93] + Array("NUMPY".utf8) + version + length + text + Array(repeating: 0, count: values)
    try write(bytes, to: folder.file(name))
    return folder.file(name)
  }

  @Test(
    arguments: ["le", "be"].flatMap { order in
      [2, 4, 8].flatMap { width in ["C", "F"].map { "form_\(order)_f\(width)_\($0).npy" } }
    } + ["form_version_1.npy", "form_version_2.npy", "form_version_3.npy"])
  func `every form that NumPy writes is read`(name: String) throws {
    let expected = (0..<120).map { Double($0) * 0.25 - 7 }
    let tensor = try NPY.read(from: golden(name))
    #expect(tensor.shape == [2, 3, 4, 5])
    #expect(try tensor.doubles == expected)
    if let width = name.firstRange(of: "_f").map({ Int(String(name[$0.upperBound]))! }) {
      #expect(tensor.dtype.byteCount == width)
    }
  }

  @Test func `scalars and empty arrays`() throws {
    let scalar = try NPY.read(from: golden("form_rank_0.npy"))
    #expect(scalar.shape == [] && scalar.count == 1)
    #expect(try scalar.doubles == [2.5])
    #expect(try NPY.read(from: golden("form_empty.npy")).shape == [0, 3, 2])
  }

  @Test(arguments: [DType.float16, .float32, .float64], Layout.allCases)
  func `what is written is read again`(dtype: DType, layout: Layout) throws {
    let path = folder.file("b.npy")
    let tensor = try Tensor.randomNormal([2, 3, 4, 5], seed: 1).to(dtype).to(layout)
    try NPY.write(tensor, to: path)
    let again = try NPY.read(from: path, layout: layout)
    #expect(again.dtype == dtype && again.layout == layout && again.shape == tensor.shape)
    #expect(try bits(again) == bits(tensor))
    // The values begin at a multiple of 64, and the file has the axes in memory's order.
    let content = try bytes(of: path)
    #expect((content.count - 120 * dtype.byteCount) % 64 == 0)
    let plain = try NPY.read(from: path)
    #expect(plain.shape == (layout == .nchw ? [2, 3, 4, 5] : [2, 4, 5, 3]))
  }

  @Test func `all ranks are written`() throws {
    for shape in [[], [3], [2, 0], [1, 2, 3, 4, 5, 6]] as [Shape] {
      let path = folder.file("r.npy")
      try NPY.write(.randomNormal(shape, seed: 2), to: path)
      #expect(try bits(NPY.read(from: path)) == bits(.randomNormal(shape, seed: 2)))
      #expect(try NPY.read(from: path).shape == shape)
    }
  }

  @Test func `old and unusual spellings are understood`() throws {
    #expect(
      try NPY.read(from: file("{'shape': (2L, 1L), 'fortran_order': False, 'descr': '<f4'}", values: 8)).shape == [
        2, 1,
      ])
    #expect(try NPY.read(from: file(#"{"descr":"=f8","fortran_order":True,"shape":(1,),}"#, values: 8)).shape == [1])
  }

  @Test func `types are understood as NumPy understands them`() throws {
    for (dtype, spellings) in [
      (DType.float16, ["f2", "|f2", "=f2", "<f2", "e", "|e", "half", "float16"]),
      (.float32, ["f4", "|f4", "=f4", "<f4", "f", "<f", "single", "float32"]),
      (.float64, ["f8", "|f8", "=f8", "<f8", "d", "=d", "double", "float", "float64"]),
    ] {
      for spelling in spellings {
        let header = "{'descr': '\(spelling)', 'fortran_order': False, 'shape': (1,), }"
        #expect(try NPY.read(from: file(header, values: dtype.byteCount)).dtype == dtype, "\(spelling)")
      }
    }
  }

  @Test func `what follows an array in its file is let be, as NumPy does`() throws {
    let path = try file("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }", values: 21)
    #expect(try NPY.read(from: path).shape == [4])
  }

  @Test func `a header is as long as the first version allows, and no longer`() throws {
    func header(_ count: Int) -> String {
      let header = "{'descr': '<f4', 'fortran_order': False, 'shape': (1,), }"
      return header + String(repeating: " ", count: count - 1 - header.utf8.count)
    }
    #expect(try NPY.read(from: file(header(65_535), values: 4)).shape == [1])
    #expect(try NPY.read(from: file(header(65_535), values: 4, version: [2, 0])).shape == [1])
    let path = try file(header(65_536), values: 4, version: [2, 0])
    let error = #expect(throws: FileError.self) { try NPY.read(from: path) }
    #expect("\(try #require(error))".contains("65536 bytes"))
  }

  @Test func `headers that lie or are not understood throw, and say why`() throws {
    func expectFault(
      _ header: String, values: Int = 16, _ words: String, sourceLocation: SourceLocation = #_sourceLocation
    ) throws {
      let path = try file(header, values: values)
      let error = #expect(throws: FileError.self, sourceLocation: sourceLocation) { try NPY.read(from: path) }
      let text = error.map { "\($0)" } ?? ""
      #expect(
        text.hasPrefix(path) && text.contains(words) && text.utf8.count < 1000, "\(text)",
        sourceLocation: sourceLocation)
    }
    let good = "{'descr': '<f4', 'fortran_order': False, 'shape': (4,), }"
    #expect(throws: Never.self) { try NPY.read(from: file(good, values: 16)) }
    try expectFault(good, values: 15, "promises 16 bytes")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (-4,), }", "negative")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (99999999999999999999,), }", "64 bits")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387904, 4), }", "overflows")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (4611686018427387903,), }", "overflows")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (1099511627776,), }", "promises")
    try expectFault("{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }", "'<i4'")
    for type in ["F4", "<float32", "f16", "<f16", "f4 ", "longdouble", "", "<", "<>f4", "4f"] {
      try expectFault("{'descr': '\(type)', 'fortran_order': False, 'shape': (4,), }", "values of type '\(type)'")
    }
    try expectFault("{'descr': [('a', '<f4')], 'fortran_order': False, 'shape': (4,), }", "records")
    try expectFault("{'descr': '<f4', 'fortran_order': 0, 'shape': (4,), }", "neither True nor False")
    try expectFault("{'descr': '<f4', 'shape': (4,), }", "are needed")
    try expectFault("{'descr': '<f4', 'descr': '<f8', 'fortran_order': False, 'shape': (4,), }", "twice")
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (4,), 'more': 1}", "unknown key")
    try expectFault(good + "x", "there is more")
    try expectFault("{'descr': '<f4", "control character")
    try expectFault("", "expected '{'")
    let ones = String(repeating: "1,", count: 65)
    try expectFault("{'descr': '<f4', 'fortran_order': False, 'shape': (\(ones)), }", "more than 64")
    try expectFault("{'\u{202E}\(String(repeating: "k\u{301}", count: 10_000))': 1}", "unknown key '?")
    try expectFault("{'\u{1B}': 1}", "control character")
  }

  @Test func `files that are something else throw, and say what they are`() throws {
    #expect(throws: FileError.unreadable(path: folder.file("no.npy"), reason: "No such file or directory")) {
      try NPY.read(from: folder.file("no.npy"))
    }
    #expect(throws: FileError.unreadable(path: folder.path, reason: "it is a folder")) {
      try NPY.read(from: folder.path)
    }
    #expect(throws: FileError.unreadable(path: "/dev/zero", reason: "it is not a regular file")) {
      try NPY.read(from: "/dev/zero")
    }
    for (name, content) in [
      ("empty", []), ("short", Array("\u{93}NUM".utf8)), ("text", Array("hello, this is text".utf8)),
    ] {
      let path = folder.file(name)
      try write(content, to: path)
      #expect(throws: FileError.self) { try NPY.read(from: path) }
    }
    #expect(throws: FileError.self) { try NPY.read(from: golden("wrong_int32.npy")) }
    #expect(throws: FileError.self) { try NPY.read(from: golden("wrong_record.npy")) }
    #expect(throws: FileError.self) { try NPY.read(from: file("{}", version: [4, 0])) }
    #expect(throws: TensorError.self) { try NPY.read(from: golden("form_rank_0.npy"), layout: .nhwc) }
    #expect(throws: FileError.self) { try NPY.write(.zeros([1], dtype: .bfloat16), to: folder.file("b.npy")) }
  }
}
