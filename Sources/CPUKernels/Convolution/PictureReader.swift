import CConvolutionKernels
import CElementKernels
import CNormKernels
import Calls
import Tensors

/// Reads rows of pictures as a convolution wants them: float32, the maps of a pixel together, and whatever precedes the
/// convolution done on the way.
struct PictureReader {
  /// Where pixels come from.
  struct Source {
    var address: UnsafeMutableRawPointer
    var dtype: DType
    var layout: Layout
    var maps: Int
    var height: Int
    var width: Int
  }

  /// Normalisation by map, with `pitch` values of each picture.
  struct Affine {
    var shift: UnsafePointer<Float>
    var gain: UnsafePointer<Float>
    var offset: UnsafePointer<Float>
    var pitch: Int
  }

  var source: Source
  /// The source's row for each row that is read, and the column for each column; -1 for zeros.
  let rows: UnsafePointer<Int32>
  let columns: UnsafePointer<Int32>
  var activation = Activation.none
  var affine: Affine?

  private let type: norm_type
  private let kernels: ConvolutionKernels
  private let elementKernels: ElementKernels

  /// nil for values that the kernels do not read.
  init?(
    _ source: Source, rows: UnsafePointer<Int32>, columns: UnsafePointer<Int32>, _ kernels: ConvolutionKernels,
    _ elementKernels: ElementKernels
  ) {
    guard let type = source.dtype.kernelType else { return nil }
    self.type = type
    self.source = source
    self.rows = rows
    self.columns = columns
    self.kernels = kernels
    self.elementKernels = elementKernels
  }

  /// Bytes of memory that each thread has to have for a row whose maps are apart.
  var asideByteCount: Int {
    source.layout == .nchw && source.maps > 1 ? source.maps * source.width * source.dtype.byteCount : 0
  }

  /// Reads `columns` of a row.
  func read(
    image: Int, row: Int, columns range: Range<Int>, into target: UnsafeMutablePointer<Float>,
    aside: UnsafeMutableRawPointer
  ) {
    let from = Int(rows[row])
    guard from >= 0 else { return target.update(repeating: 0, count: range.count * source.maps) }
    let bytes = source.dtype.byteCount
    let plane = source.height * source.width
    var pixels = source.address
    if source.layout == .nhwc || source.maps == 1 {
      pixels += (image * plane + from * source.width) * source.maps * bytes
    } else {
      pixels += (image * source.maps * plane + from * source.width) * bytes
      elementKernels.table.transpose(bytes, pixels, plane, aside, source.maps, source.maps, source.width, false)
      pixels = aside
    }
    var form = convolution_reading(
      type: type, rectifies: activation != .none, slope: Float(activation.negativeSlope), residual_is_before: false,
      shift: nil, gain: nil, offset: nil)
    if let affine {
      form.shift = affine.shift + image * affine.pitch
      form.gain = affine.gain + image * affine.pitch
      form.offset = affine.offset + image * affine.pitch
    }
    kernels.table.read(
      &form, pixels, nil, source.maps, source.maps, columns + range.lowerBound, range.count, target)
  }
}
