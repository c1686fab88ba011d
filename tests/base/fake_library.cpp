// A library to be found and loaded.
extern "C" int wan_fake_version() { return 7; }
