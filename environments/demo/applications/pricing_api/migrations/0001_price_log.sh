# From here on every change of a price is written down.
touch "${DEPLOYER_SHARED_PATH:-.}/price.log"
