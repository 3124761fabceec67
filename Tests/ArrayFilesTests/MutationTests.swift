import ArrayFiles
import Foundation
import Tensors
import TestSupport
import Testing

/// Thousands of good files with a few random changes: each is read or refused, none traps, and none makes the reader take
/// much more memory than the file has bytes. Each test has a process of its own, since memory is counted by process.
@Suite struct MutationTests {
  @Test func `mutated npy files`() async {
    await #expect(processExitsWith: .success) {
      for name in ["form_le_f4_C.npy", "form_be_f8_F.npy", "form_version_3.npy"] {
        let fed = try Feeding(bytes(of: golden(name)), header: 128, count: 1500) { path in
          let tensor = try NPY.read(from: path)
          #expect(tensor.byteCount <= (try bytes(of: path).count))
        }
        #expect(fed.read > 0 && fed.refused > 500 && fed.isFrugal)
      }
    }
  }

  @Test func `mutated safetensors files`() async {
    await #expect(processExitsWith: .success) {
      let original = try bytes(of: golden("state_dict.safetensors"))
      let header = 8 + Int(original[0]) + Int(original[1]) << 8
      let fed = try Feeding(original, header: header, count: 4000) { path in
        let file = try SafetensorsFile(contentsOf: path)
        for name in file.names { _ = try file.tensor(named: name) }
      }
      #expect(fed.read > 0 && fed.refused > 500 && fed.isFrugal)
    }
  }

  /// Headers of some megabytes, of kinds that make a careless reader take many times as much memory.
  @Test(.enabled(if: !Sanitizer.isAddress && !Sanitizer.isThread, "sanitizers take memory of their own"))
  func `large headers take little more memory than they have bytes`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let digits = Array(String(repeating: "1,", count: 2_000_000).utf8)
      let nested = Array(String(repeating: "[", count: 4_000_000).utf8)
      let keys = Array(String(repeating: "\"k\":0,", count: 700_000).utf8)
      for filling in [digits, nested, keys] {
        for opening in [#"{"a":{"dtype":"F32","shape":["#, "{", #"{"a":{"#] {
          let header = Array(opening.utf8) + filling
          let path = folder.file("large.safetensors")
          try write(littleEndian(header.count, byteCount: 8) + header, to: path)
          try expectRefusal(path, header.count) { _ = try SafetensorsFile(contentsOf: path) }
        }
        for opening in ["{'descr':'<f4','fortran_order':False,'shape':(", "{"] {
          let header = Array(opening.utf8) + filling
          let path = folder.file("large.npy")
          let prefix = [0x93] + Array("NUMPY".utf8) + [2, 0] + littleEndian(header.count, byteCount: 4)
          try write(prefix + header, to: path)
          try expectRefusal(path, header.count) { _ = try NPY.read(from: path) }
        }
      }
    }
  }

  @Test func `a large header of small tensors takes little more memory than it has bytes`() async {
    await #expect(processExitsWith: .success) {
      let folder = TemporaryFolder()
      let entries = (0..<60_000).map {
        #""t\#($0)":{"dtype":"F32","shape":[1],"data_offsets":[\#(4 * $0),\#(4 * $0 + 4)]}"#
      }
      let header = Array("{\(entries.joined(separator: ","))}".utf8)
      let length = littleEndian(header.count, byteCount: 8)
      try write(length + header + Array(repeating: 0, count: 240_000), to: folder.file("many.safetensors"))
      Memory.forgetPeak()
      let resident = Memory.now("VmRSS")
      #expect(try SafetensorsFile(contentsOf: folder.file("many.safetensors")).entries.count == 60_000)
      // A sanitizer surrounds each of the many small pieces of memory with more of its own.
      #expect(Memory.now("VmHWM") - resident < 8 * header.count + 16 << 20 || Sanitizer.isAddress || Sanitizer.isThread)
    }
  }

  @Test func `every truncation of a file is refused`() throws {
    let folder = TemporaryFolder(inMemory: true)
    for (name, read) in [
      ("form_le_f2_C.npy", { (path: String) in _ = try NPY.read(from: path) }),
      ("optimizers.safetensors", { (path: String) in _ = try SafetensorsFile(contentsOf: path) }),
    ] {
      let original = try bytes(of: golden(name))
      for length in 0..<original.count {
        try write(original[..<length], to: folder.file("short"))
        #expect(throws: FileError.self) { try read(folder.file("short")) }
      }
    }
  }
}

private func expectRefusal(_ path: String, _ count: Int, _ read: () throws -> Void) throws {
  Memory.forgetPeak()
  let resident = Memory.now("VmRSS")
  #expect(throws: FileError.self) { try read() }
  #expect(Memory.now("VmHWM") - resident < 4 * count + 16 << 20)
}
