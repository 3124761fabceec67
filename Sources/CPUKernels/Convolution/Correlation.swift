import CConvolutionKernels
import Calls
import Tensors

/// What the tuned convolutions compute, forward or by data:
///
///     y[n, o, i, j] = activation(bias[o] + sum over c, k, l of w[o, c, k, l] x[n, c, i s + k d, j s' + l d'])
///
/// of pictures x as they are read: padded, upsampled, with zeros between pixels, normalised.
struct Correlation {
  var images: Int
  var groups = 1
  /// Of all groups.
  var inputMaps: Int
  var outputMaps: Int
  var kernelHeight: Int
  var kernelWidth: Int
  var rowStride = 1
  var columnStride = 1
  var rowDilation = 1
  var columnDilation = 1
  var outputHeight: Int
  var outputWidth: Int
  var activation = Activation.none

  var inputMapsPerGroup: Int { inputMaps / groups }
  var outputMapsPerGroup: Int { outputMaps / groups }
  /// How many rows lie between the first that an output row reads and the last, both included.
  var rowSpan: Int { (kernelHeight - 1) * rowDilation + 1 }
  /// The extents of what is read.
  var readHeight: Int { (outputHeight - 1) * rowStride + rowSpan }
  var readWidth: Int { (outputWidth - 1) * columnStride + (kernelWidth - 1) * columnDilation + 1 }
  /// Products of two values, of all pictures.
  var productCount: Int {
    images * outputHeight * outputWidth * outputMaps * inputMapsPerGroup * kernelHeight * kernelWidth
  }
  /// Products as values of a simpler computation, to tell how many threads are worth it.
  var work: Int { productCount / 16 }

  /// Kernel rows as runs of neighbouring values: of whole rows, or of single pixels where these do not lie together.
  var joinsKernelRows: Bool { groups == 1 && columnDilation == 1 }
  var segments: Int { joinsKernelRows ? kernelHeight : kernelHeight * kernelWidth }
  var segmentLength: Int { joinsKernelRows ? kernelWidth * inputMaps : inputMapsPerGroup }
}

/// How a correlation is computed.
enum CorrelationMethod: Equatable {
  /// Product by product.
  case direct
  /// By Winograd's algorithm, with about a third of the products.
  case winograd(WinogradScheme)
  /// Few maps of the output: all rows of the kernel are applied to each row of the picture, and what they come to is
  /// added up with shifts. So the maps of all kernel rows fill vectors.
  case byKernelRow
  /// Small pictures with many weights: what each pixel of the output reads is put together, so that weights come by once
  /// for many rows of pixels.
  case unfolded

  init(_ correlation: Correlation, exact: Bool) {
    let c = correlation
    let isPlain =
      c.groups == 1 && c.rowStride == 1 && c.columnStride == 1 && c.rowDilation == 1 && c.columnDilation == 1
    if !exact, let scheme = WinogradScheme(c), scheme.isMeant(for: c) {
      self = .winograd(scheme)
    } else if isPlain, c.outputMaps < 16, c.kernelHeight > 1, c.outputWidth >= 8,
      c.kernelHeight * c.outputMaps <= 128
    {
      self = .byKernelRow
    } else if c.groups == 1, c.outputWidth < 16, c.outputHeight * c.images > 1,
      c.kernelHeight * c.kernelWidth * c.inputMaps * c.outputMaps >= 1 << 16
    {
      self = .unfolded
    } else {
      self = .direct
    }
  }
}
