import Tensors

/// Windows over pictures (N, C, H, W), in each of which one value is the greatest: the first of several, the last NaN
/// where there are any. What lies outside a picture is none of a window's values, but each window has one or more.
package struct PoolingGeometry: Hashable, Sendable {
  /// N.
  package var images: Int
  /// C.
  package var maps: Int
  /// Of the pictures.
  package var height: Int
  package var width: Int
  /// How many windows there are.
  package var rows: Int
  package var columns: Int
  package var windowHeight: Int
  package var windowWidth: Int
  package var strideRows: Int
  package var strideColumns: Int
  /// How many rows and columns the first window begins before the picture.
  package var top: Int
  package var left: Int

  package init(
    images: Int, maps: Int, height: Int, width: Int, rows: Int, columns: Int, windowHeight: Int, windowWidth: Int,
    strideRows: Int, strideColumns: Int, top: Int, left: Int
  ) {
    self.images = images
    self.maps = maps
    self.height = height
    self.width = width
    self.rows = rows
    self.columns = columns
    self.windowHeight = windowHeight
    self.windowWidth = windowWidth
    self.strideRows = strideRows
    self.strideColumns = strideColumns
    self.top = top
    self.left = left
  }

  /// (N, C, H, W).
  package var pictureShape: Shape { [images, maps, height, width] }
  /// (N, C, rows, columns).
  package var pooledShape: Shape { [images, maps, rows, columns] }

  /// Whether no place is in two windows.
  package var isApart: Bool { strideRows >= windowHeight && strideColumns >= windowWidth }
}

/// What is at the places where windows over `chooser` have their greatest values.
package struct PoolingCall: Call {
  package enum Direction: Hashable, Sendable {
    /// Each window's value of `picture` goes to `pooled`.
    case gather
    /// Each value of `picture` becomes the sum of `pooled` of the windows that have chosen its place.
    case scatter
  }

  package var direction: Direction
  package var geometry: PoolingGeometry
  /// All three are of one dtype, and this one's strides are those of `picture`.
  package var chooser: UnsafeMutableRawPointer
  package var picture: View
  package var pooled: View

  package init(
    _ direction: Direction, _ geometry: PoolingGeometry, chooser: UnsafeMutableRawPointer, picture: View, pooled: View
  ) {
    self.direction = direction
    self.geometry = geometry
    self.chooser = chooser
    self.picture = picture
    self.pooled = pooled
  }
}
