# Name the columns of the price log.
printf 'time\tproduct\tcents\n' >> "${DEPLOYER_SHARED_PATH:-.}/price.log"
