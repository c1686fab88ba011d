#include "fidelity/flip.h"

#include <algorithm>
#include <cassert>
#include <cmath>
#include <cstdint>
#include <numbers>

#include "fidelity/plane.h"

namespace wan {
namespace {

constexpr double kColourExponent = 0.7;              // q_c
constexpr float kKneeAt = 0.4F, kKneeValue = 0.95F;  // p_c, p_t
constexpr double kFeatureDeviation = 0.082 / 2;      // w / 2, degrees
constexpr double kPi = std::numbers::pi;

struct Vector {
  float x = 0, y = 0, z = 0;
};

/// Row-major.
struct Matrix {
  double m[3][3];

  Vector operator*(const Vector& v) const {
    const auto row = [&](int i) {
      return static_cast<float>(m[i][0]) * v.x + static_cast<float>(m[i][1]) * v.y + static_cast<float>(m[i][2]) * v.z;
    };
    return {row(0), row(1), row(2)};
  }
};

/// Linear sRGB to XYZ over that of white, so that white is (1, 1, 1). The numbers are IEC 61966-2-1's primaries.
constexpr Matrix to_relative_xyz() {
  Matrix matrix{{{10135552, 8788810, 4435075}, {2613072, 8788810, 887015}, {1425312, 8788810, 70074185}}};
  for (auto& row : matrix.m) {
    const double white = row[0] + row[1] + row[2];
    for (double& value : row) value /= white;
  }
  return matrix;
}

constexpr Matrix inverse(const Matrix& matrix) {
  const auto& m = matrix.m;
  Matrix out{};
  for (int i = 0; i < 3; ++i)
    for (int j = 0; j < 3; ++j) {
      const int a = (j + 1) % 3, b = (j + 2) % 3, c = (i + 1) % 3, d = (i + 2) % 3;
      out.m[i][j] = m[a][c] * m[b][d] - m[a][d] * m[b][c];
    }
  const double determinant = m[0][0] * out.m[0][0] + m[0][1] * out.m[1][0] + m[0][2] * out.m[2][0];
  for (auto& row : out.m)
    for (double& value : row) value /= determinant;
  return out;
}

constexpr Matrix kToXyz = to_relative_xyz();
constexpr Matrix kToRgb = inverse(kToXyz);

/// Linear opponent colours, in which the eye's filters work.
Vector opponent_of(const Vector& xyz) { return {116 * xyz.y - 16, 500 * (xyz.x - xyz.y), 200 * (xyz.y - xyz.z)}; }

Vector xyz_of_opponent(const Vector& colour) {
  const float y = (colour.x + 16) / 116;
  return {y + colour.y / 500, y, y - colour.z / 200};
}

float lab_curve(float t) {
  constexpr float kDelta = 6.0F / 29;
  return t > kDelta * kDelta * kDelta ? std::cbrt(t) : t / (3 * kDelta * kDelta) + 4.0F / 29;
}

/// CIELAB of linear sRGB, its chroma scaled by lightness after Hunt: dark colours differ less.
Vector hunt_lab(const Vector& rgb) {
  const Vector xyz = kToXyz * rgb;
  const float x = lab_curve(xyz.x), y = lab_curve(xyz.y), z = lab_curve(xyz.z);
  const float lightness = 116 * y - 16, scale = 0.01F * lightness;
  return {lightness, scale * 500 * (x - y), scale * 200 * (y - z)};
}

/// HyAB distance, compressed.
float colour_difference(const Vector& a, const Vector& b) {
  const float chroma = std::sqrt((a.y - b.y) * (a.y - b.y) + (a.z - b.z) * (a.z - b.z));
  return std::pow(std::abs(a.x - b.x) + chroma, static_cast<float>(kColourExponent));
}

void divide(Flip::Taps& taps, double by) {
  for (float& tap : taps) tap = static_cast<float>(tap / by);
}

double sum_of(const Flip::Taps& taps) {
  double sum = 0;
  for (const float tap : taps) sum += tap;
  return sum;
}

/// Contrast sensitivity as a sum of Gaussians a sqrt(pi / b) exp(-pi^2 x^2 / b) of the angle x; the paper's table 1.
struct Sensitivity {
  double a, b;
};
constexpr Sensitivity kLuminance{1, 0.0047}, kRedGreen{1, 0.0053}, kBlueYellow1{34.1, 0.04}, kBlueYellow2{13.5, 0.025};

/// One side of the two-dimensional Gaussian: the product of both has its factor once.
Flip::Taps eye_filter(const Sensitivity& of, double pixels_per_degree) {
  const int radius = static_cast<int>(std::ceil(3 * std::sqrt(kBlueYellow1.b / (2 * kPi * kPi)) * pixels_per_degree));
  Flip::Taps taps;
  for (int i = -radius; i <= radius; ++i) {
    const double x = i / pixels_per_degree;
    taps.push_back(static_cast<float>(std::sqrt(of.a * std::sqrt(kPi / of.b)) * std::exp(-kPi * kPi * x * x / of.b)));
  }
  return taps;
}

void add_eye_filters(Flip::Filters& filters, double pixels_per_degree) {
  filters.luminance = eye_filter(kLuminance, pixels_per_degree);
  filters.red_green = eye_filter(kRedGreen, pixels_per_degree);
  filters.blue_yellow_1 = eye_filter(kBlueYellow1, pixels_per_degree);
  filters.blue_yellow_2 = eye_filter(kBlueYellow2, pixels_per_degree);
  divide(filters.luminance, sum_of(filters.luminance));
  divide(filters.red_green, sum_of(filters.red_green));
  const double sum = std::hypot(sum_of(filters.blue_yellow_1), sum_of(filters.blue_yellow_2));
  divide(filters.blue_yellow_1, sum);
  divide(filters.blue_yellow_2, sum);
}

/// Positive taps of a derivative sum to 1, negative ones to -1.
void balance(Flip::Taps& taps) {
  double positive = 0, negative = 0;
  for (const float tap : taps) (tap > 0 ? positive : negative) += tap;
  for (float& tap : taps) tap = static_cast<float>(tap > 0 ? tap / positive : -(tap / negative));
}

void add_feature_filters(Flip::Filters& filters, double pixels_per_degree) {
  const double deviation = kFeatureDeviation * pixels_per_degree;
  const int radius = static_cast<int>(std::ceil(3 * deviation));
  for (int x = -radius; x <= radius; ++x) {
    const double gauss = std::exp(-x * x / (2 * deviation * deviation));
    filters.smooth.push_back(static_cast<float>(gauss));
    filters.edge.push_back(static_cast<float>(-x * gauss));
    filters.point.push_back(static_cast<float>((x * x / (deviation * deviation) - 1) * gauss));
  }
  divide(filters.smooth, sum_of(filters.smooth));
  balance(filters.edge);
  balance(filters.point);
}

using Row = std::vector<float>;

/// A picture in opponent colours, and what the filters make of its rows.
class FilteredPicture {
 public:
  FilteredPicture(const Image& image, const Flip::Filters& filters)
      : filters_(filters),
        luminance_(image.width, image.height),
        red_green_(image.width, image.height),
        blue_yellow_(image.width, image.height),
        eye_row_(image.width, static_cast<int>(filters.luminance.size()) / 2),
        feature_row_(image.width, static_cast<int>(filters.smooth.size()) / 2) {
    for (Row& row : rows_) row.resize(static_cast<size_t>(image.width));
    colours_.resize(static_cast<size_t>(image.width));
    edges_.resize(colours_.size());
    points_.resize(colours_.size());
    const uint8_t* rgb = image.rgb.data();
    for (size_t i = 0; i < luminance_.values.size(); ++i, rgb += 3) {
      const Vector linear{filters.linear[rgb[0]], filters.linear[rgb[1]], filters.linear[rgb[2]]};
      const Vector colour = opponent_of(kToXyz * linear);
      luminance_.values[i] = colour.x;
      red_green_.values[i] = colour.y;
      blue_yellow_.values[i] = colour.z;
    }
  }

  /// As the eye resolves them, in hunt_lab.
  const std::vector<Vector>& colours(int y) {
    auto& [luminance, red_green, blue_yellow_1, blue_yellow_2] = rows_;
    resolve(luminance_, y, filters_.luminance, luminance);
    resolve(red_green_, y, filters_.red_green, red_green);
    resolve(blue_yellow_, y, filters_.blue_yellow_1, blue_yellow_1);
    resolve(blue_yellow_, y, filters_.blue_yellow_2, blue_yellow_2);
    const auto clamped = [](float value) { return std::clamp(value, 0.0F, 1.0F); };
    for (size_t x = 0; x < colours_.size(); ++x) {
      const Vector rgb = kToRgb * xyz_of_opponent({luminance[x], red_green[x], blue_yellow_1[x] + blue_yellow_2[x]});
      colours_[x] = hunt_lab({clamped(rgb.x), clamped(rgb.y), clamped(rgb.z)});
    }
    return colours_;
  }

  /// How strong edges and points are in the row, of luminance in [0, 1].
  void find_features(int y) {
    auto& [edge_x, edge_y, point_x, point_y] = rows_;
    sum_feature(y, filters_.smooth, {{filters_.edge, edge_x}, {filters_.point, point_x}});
    sum_feature(y, filters_.edge, {{filters_.smooth, edge_y}});
    sum_feature(y, filters_.point, {{filters_.smooth, point_y}});
    constexpr float kScale = 1.0F / 116;  // its offset falls out: derivatives sum to 0
    for (size_t x = 0; x < edges_.size(); ++x) {
      edges_[x] = kScale * std::sqrt(edge_x[x] * edge_x[x] + edge_y[x] * edge_y[x]);
      points_[x] = kScale * std::sqrt(point_x[x] * point_x[x] + point_y[x] * point_y[x]);
    }
  }
  const Row& edges() const { return edges_; }
  const Row& points() const { return points_; }

 private:
  void resolve(const Plane<float>& plane, int y, const Flip::Taps& taps, Row& out) {
    sum_columns<float>(plane, y, taps, eye_row_.inner());
    eye_row_.extend();
    sum_row<float>(eye_row_.begin(), taps, plane.width, out.data());
  }

  struct Across {
    const Flip::Taps& taps;
    Row& out;
  };
  /// Filters luminance along columns by `down`, and that along rows by each of `across`.
  void sum_feature(int y, const Flip::Taps& down, std::initializer_list<Across> across) {
    sum_columns<float>(luminance_, y, down, feature_row_.inner());
    feature_row_.extend();
    for (const Across& one : across) sum_row<float>(feature_row_.begin(), one.taps, luminance_.width, one.out.data());
  }

  const Flip::Filters& filters_;
  Plane<float> luminance_, red_green_, blue_yellow_;
  PaddedRow<float> eye_row_, feature_row_;
  std::array<Row, 4> rows_;  // scratch
  std::vector<Vector> colours_;
  Row edges_, points_;
};

/// From 0 to 1: the knee keeps most of the range for differences that are not extreme.
float remapped(float difference, float largest) {
  const float knee = kKneeAt * largest;
  if (difference < knee) return difference * (kKneeValue / knee);
  return kKneeValue + (difference - knee) / (largest - knee) * (1 - kKneeValue);
}

}  // namespace

Flip::Flip(double pixels_per_degree) {
  add_eye_filters(filters_, pixels_per_degree);
  add_feature_filters(filters_, pixels_per_degree);
  for (size_t i = 0; i < filters_.linear.size(); ++i) {
    const double c = static_cast<double>(i) / 255;
    filters_.linear[i] = static_cast<float>(c <= 0.04045 ? c / 12.92 : std::pow((c + 0.055) / 1.055, 2.4));
  }
  largest_ = colour_difference(hunt_lab({0, 1, 0}), hunt_lab({0, 0, 1}));
}

double Flip::mean_error(const Image& reference, const Image& test) const {
  assert(reference.width == test.width && reference.height == test.height);
  FilteredPicture a(reference, filters_), b(test, filters_);
  double sum = 0;
  for (int y = 0; y < reference.height; ++y) {
    const std::vector<Vector>& colours_a = a.colours(y);
    const std::vector<Vector>& colours_b = b.colours(y);
    a.find_features(y);
    b.find_features(y);
    for (size_t x = 0; x < colours_a.size(); ++x) {
      const float colour = remapped(colour_difference(colours_a[x], colours_b[x]), largest_);
      const float edge = std::abs(a.edges()[x] - b.edges()[x]), point = std::abs(a.points()[x] - b.points()[x]);
      const float feature = std::sqrt(std::max(edge, point) / std::numbers::sqrt2_v<float>);  // q_f = 0.5
      sum += std::pow(colour, 1 - feature);
    }
  }
  return sum / (static_cast<double>(reference.width) * reference.height);
}

}  // namespace wan
