# The default configuration, and a PCI function that only tests need

include default.mak

CONFIG_PASID_TESTDEV=y
