import ArrayFiles
import Foundation
import TestSupport
import Testing

/// Files of other formats are called what they are, whatever the name that they were given.
@Suite struct ForeignFileTests {
  private let folder = TemporaryFolder()

  private static func zip(_ name: String) -> [UInt8] {
    Array("PK".utf8) + [3, 4] + Array(repeating: 0, count: 22) + [UInt8(name.utf8.count), 0, 0, 0] + Array(name.utf8)
  }

  static let files: [(start: [UInt8], words: [String])] = [
    (zip("archive/data.pkl"), ["PyTorch", "instnorm convert"]),
    (zip("net/.format_version"), ["PyTorch", "instnorm convert"]),
    (zip("x.npy"), [".npz", "numpy.save"]), (zip("config.json"), ["zip"]),
    ([0x80, 2, 0x8A, 10, 0x6C, 0xFC, 0x9C, 0x46, 0xF9, 0x20, 0x6A, 0xA8, 0x50], ["pickle", "instnorm convert"]),
    ([0x80, 4, 0x95, 1, 0, 0, 0, 0, 0, 0, 0, 0x7D, 0x94, 0x2E], ["pickle"]),
    ([0x89] + Array("HDF\r\n".utf8) + [0x1A, 10, 0, 0, 0, 0, 0], ["HDF5", "h5py"]),
    ([0x08, 7, 0x12, 7] + Array("pytorch".utf8) + [0x1A, 0], ["ONNX", "onnx.numpy_helper"]),
    (Array("version https://git-lfs.github.com/spec/v1\noid sha256:4d".utf8), ["Git LFS", "git lfs pull"]),
    (Array("\n <!DOCTYPE html><html lang=\"en\">".utf8), ["web page"]), (Array("<html><head>".utf8), ["web page"]),
    ([0x1F, 0x8B, 8, 0, 0, 0, 0, 0, 0, 3], ["gzip", "gunzip"]),
    ([0x89] + Array("PNG\r\n".utf8) + [0x1A, 10, 0, 0, 0, 13], ["picture (PNG)"]),
    ([0xFF, 0xD8, 0xFF, 0xE0, 0, 0x10] + Array("JFIF".utf8), ["picture (JPEG)"]),
    (Array("RIFF".utf8) + [1, 0, 0, 0] + Array("WEBPVP8 ".utf8), ["picture (WebP)"]),
    (Array("{\"metadata\": {}, \"weight_map\": {}}".utf8), ["JSON"]), (Array("GGUF".utf8) + [3, 0, 0, 0, 0], ["GGUF"]),
  ]

  @Test(arguments: files.indices) func `a file that is something else is called that`(index: Int) throws {
    let (start, words) = Self.files[index]
    for padding in [0, 600] {
      let path = folder.file("a")
      try write(start + Array(repeating: 0, count: padding), to: path)
      for error in [
        #expect(throws: FileError.self) { try NPY.read(from: path) },
        #expect(throws: FileError.self) { try SafetensorsFile(contentsOf: path) },
      ] {
        for word in words { #expect("\(try #require(error))".contains(word)) }
      }
    }
  }

  @Test func `each of our two formats is known to the other's reader`() throws {
    let error = #expect(throws: FileError.self) { try NPY.read(from: golden("state_dict.safetensors")) }
    #expect("\(try #require(error))".contains("it is a .safetensors file"))
    let other = #expect(throws: FileError.self) { try SafetensorsFile(contentsOf: golden("form_le_f4_C.npy")) }
    #expect("\(try #require(other))".contains("it is a NumPy array"))
  }
}
