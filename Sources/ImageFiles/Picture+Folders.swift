import ArrayFiles
import Foundation

extension Picture {
  /// The pictures in a folder, by the endings of their names, in the order of their paths. Files and folders whose names
  /// begin with a dot are left out.
  ///
  /// - Parameters:
  ///   - folder: its path, which those of the pictures begin with.
  ///   - recursively: whether to look into the folders in it too. Links are followed, and a folder that is reached twice
  ///     is looked into once.
  /// - Throws: `FileError.unreadable(path:reason:)` for a folder that cannot be read.
  public static func files(in folder: String, recursively: Bool = false) throws -> [String] {
    var pictures: [String] = []
    var known: Set<FolderIdentity> = []
    var folders = [folder]
    while let next = folders.popLast() {
      var status = stat()
      guard stat(next.fileName, &status) == 0, let stream = opendir(next.fileName) else {
        throw FileError.unreadable(path: next, reason: String(cString: strerror(errno)))
      }
      defer { closedir(stream) }
      guard known.insert(FolderIdentity(device: UInt64(status.st_dev), number: UInt64(status.st_ino))).inserted else {
        continue
      }
      var inside: [String] = []
      while let entry = readdir(stream) {
        let bytes = withUnsafeBytes(of: &entry.pointee.d_name) { Array($0.prefix { $0 != 0 }) }
        let name = String(fileName: bytes)
        if name.hasPrefix(".") { continue }
        let path = next.hasSuffix("/") ? next + name : "\(next)/\(name)"
        if fileEndings.contains((name as NSString).pathExtension.lowercased()), !recursively || !isFolder(path) {
          pictures.append(path)
        } else if recursively, isFolder(path) {
          inside.append(path)
        }
      }
      // The last is looked into next.
      folders += inside.sorted().reversed()
    }
    return pictures.sorted()
  }

  private struct FolderIdentity: Hashable {
    let device: UInt64
    let number: UInt64
  }

  private static func isFolder(_ path: String) -> Bool {
    var status = stat()
    return stat(path.fileName, &status) == 0 && status.st_mode & S_IFMT == S_IFDIR
  }

  /// What names of pictures end in.
  private static let fileEndings: Set<String> = [
    "png", "jpg", "jpeg", "jpe", "webp", "tif", "tiff", "gif", "bmp", "ppm", "pgm", "pbm", "pnm", "pam", "pfm", "hdr",
    "heic", "heif", "avif", "jxl", "jp2", "exr",
  ]
}

extension FileError {
  /// For a folder that has to have pictures.
  package static func noPictures(in folder: String) -> FileError {
    .unreadable(path: folder, reason: "no file in this folder has the name of a picture")
  }
}
