// Invented libraries of NVIDIA's: each tells the version FAKE_TOLD in one of their three ways.
#include <cstddef>

extern "C" {
int fake_fills_one(int* version) {
  *version = FAKE_TOLD;
  return 0;
}
int fake_fills_two(int* major, int* minor) {
  *major = FAKE_TOLD / 1000;
  *minor = FAKE_TOLD % 1000 / 10;
  return 0;
}
size_t fake_returns() { return FAKE_TOLD; }
int fake_fails(int*) { return 35; }
}
